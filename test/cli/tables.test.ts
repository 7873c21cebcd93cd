import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { parseHTML } from 'linkedom';
import { csvTable, markdownTable } from '../../src/cli/markdown.js';
import { runCli } from '../../src/cli/program.js';
import { Rng } from '../../src/data/rng.js';
import { readModel, writeModel } from '../../src/model/file.js';
import { shippedModel } from '../../src/model/load.js';
import { formatScore } from '../../src/report/format.js';
import { published } from '../../src/report/published.js';
import { scatterChart } from '../../src/report/scatter.js';
import { vnet } from './vnet.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-tables-'));
after(() => rmSync(folder, { recursive: true }));

/** Runs a command that writes a CSV file; its cells without the titles. */
async function table(...args: string[]): Promise<string[][]> {
  const file = path.join(folder, `${args[0]}.csv`);
  assert.equal(await runCli([...args, '--csv', file]), 0);
  const [titles, ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n');
  const cells = rows.map((row) => row.split(','));
  for (const row of cells) assert.ok(row.length >= titles.split(/,(?! )/).length);
  return cells;
}

test('table3: memory grows with the batch, with validation and with what is kept', async () => {
  const rows = await table('table3', '--size', '256x512', '--networks', 'enet,erfnet');
  assert.deepEqual(
    rows.map(([name]) => name),
    ['ENet', 'ERFNet'],
  );
  for (const [, ...cells] of rows) {
    const [one, oneAndValidation, four, fourAndValidation] = cells.map(Number);
    assert.ok(one < oneAndValidation && oneAndValidation < four && four < fourAndValidation, cells.join(' '));
    assert.ok(Math.abs(oneAndValidation - one - (fourAndValidation - four)) <= 2, 'validation is one image');
    assert.ok(four > 3 * one && four < 4 * one, 'activations are most of it');
  }
  const policies = await table('table3', '--size', '256x512', '--networks', 'vnet');
  const memory = policies.map((row) => Number(row.at(-2)));
  assert.ok(memory[0] < memory[1] && memory[1] < memory[2], `reversible, checkpoint, save: ${memory}`);
});

test('table2: parameters beside the published ones, no timing asked for', async () => {
  const rows = await table('table2', '--size', '64x64', '--networks', 'erfnet,bisenet-x39', '--runs', '0');
  assert.deepEqual(
    rows.map((row) => row.slice(0, 3)),
    [
      ['ERFNet', '2.06', '2.07'],
      ['BiSeNet-Xception39', '1.54', '5.8'],
    ],
  );
  assert.deepEqual(rows[0].slice(4), ['–', '41.7', '–', '68']);
});

test('table2: what a measured mIoU rests on, a row for each model, timings with their spread', async () => {
  const { info, weights } = await readModel(shippedModel);
  const trained = { ...info.trained, miou: 0.612, scored: { data: 'streets', split: 'val', images: 7 } };
  await writeModel(path.join(folder, 'mine.safetensors'), { ...info, trained }, weights);
  const args = ['--size', '64x64', '--networks', 'vnet,enet', '--runs', '3', '--threads', '1'];
  const { code, stdout, stderr } = await vnet([
    ...['table2', ...args, '--models', 'camvid', path.join(folder, 'mine.safetensors')],
    ...['--svg', path.join(folder, 'figure.svg')],
  ]);
  assert.equal(code, 0, stderr);
  const rows = stdout.split('\n').filter((line) => /^\| (VNet|ENet)/.test(line));
  const cells = rows.map((row) => row.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '')));
  assert.deepEqual(
    cells.map((row) => [row[0], row[5], row[6], row[7]]),
    [
      ['VNet(1, 2)', '37.4', `${formatScore(info.trained.miou)} [1]`, '63.93'],
      ['VNet(1, 2)', '37.4', '61.2 [2]', '63.93'],
      ['ENet', '21.6', '–', '58.3'],
    ],
  );
  for (const row of cells) {
    const [median, low, high] = /^([\d.]+) \(([\d.]+)–([\d.]+)\)$/.exec(row[4])!.slice(1).map(Number);
    assert.ok(low <= median && median <= high, row[4]);
  }
  const { epoch } = info.trained;
  assert.match(
    stdout,
    new RegExp(
      `\\[1\\] camvid \\(vnet-camvid, epoch ${epoch}\\): split 'val' of camvid, 101 images\\. Not to be compared`,
    ),
  );
  assert.match(
    stdout,
    new RegExp(
      `\\[2\\] \\S+mine\\.safetensors \\(mine, epoch ${epoch}\\): split 'val' of streets, 7 images\\.`,
    ),
  );
  const { document } = parseHTML(readFileSync(path.join(folder, 'figure.svg'), 'utf8'));
  assert.equal(
    document.querySelectorAll('[aria-label="dot"] circle').length,
    3 + 2,
    'three points, two in the legend',
  );
});

test('a scatter of any networks: names whole and apart, two ticks at least', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  const r = Rng.of(seed);
  for (let round = 0; round < 40; round++) {
    const points = Object.values(published)
      .filter(() => r.chance(0.5))
      .map(({ title, miou, parameters }) => ({
        title,
        miou,
        parameters,
        fps: 10 ** r.range(-2, 2),
        own: r.chance(0.3),
      }));
    if (points.length === 0) continue;
    const { document } = parseHTML(scatterChart(points));
    const ticks = document.querySelectorAll('[aria-label="x-axis tick label"] text');
    assert.ok(ticks.length >= 2, `seed ${seed}, round ${round}: ${ticks.length} ticks`);
    const names = [...document.querySelectorAll('text')].map(({ textContent }) => textContent);
    for (const { title } of points)
      assert.ok(names.includes(title), `seed ${seed}, round ${round}: ${title}`);
  }
});

test('table3 --measure: the process takes its plan and what Node takes; --json says the same', async () => {
  const args = ['--size', '64x128', '--networks', 'vnet'];
  const rows = await table('table3', ...args, '--measure');
  // The titles have commas.
  const measured = rows.map((row) => row.slice(-6));
  for (const cells of measured) {
    const [trainingOne, , processOne, trainingFour, , processFour] = cells.map(Number);
    assert.ok(processOne > trainingOne + 30 && processOne < trainingOne + 250, cells.join());
    assert.ok(processFour > trainingFour + 30 && processFour < trainingFour + 250, cells.join());
  }
  const { code, stdout } = await vnet(['table3', ...args, '--json']);
  assert.equal(code, 0);
  const { rows: same } = JSON.parse(stdout) as { rows: { memory: { training: number }[] }[] };
  assert.deepEqual(
    same.map(({ memory }) => (memory[0].training / 1e6).toFixed(0)),
    measured.map(([first]) => first),
  );
});

test('fig6: a share of a core slows a network down', async () => {
  // Longer than a period of pauses.
  const args = ['--size', '256x512', '--networks', 'vnet', '--shares', '33,100', '--runs', '9'];
  // The two shares are measured one after the other: on a busy machine the whole core may be the one that waits.
  const tries: string[] = [];
  for (let i = 0; i < 3; i++) {
    const rows = await table('fig6', ...args, '--limit', 'pauses');
    const rates = rows.map((row) => row.slice(-3).map(Number));
    for (const [median, slowest, fastest] of rates) assert.ok(slowest <= median && median <= fastest);
    const [slow, fast] = rates.map(([median]) => median);
    if (slow > 0 && slow < 0.7 * fast) return;
    tries.push(`${slow} of ${fast} images/s`);
  }
  assert.fail(tries.join(', '));
});

test('an unknown network is wrong usage', async () => {
  assert.equal(await runCli(['table2', '--networks', 'vnet,unet']), 2);
});

test('Markdown and CSV hold the same cells', () => {
  const rows = [
    ['a, b', '1'],
    ['say "x"', '2'],
  ];
  assert.equal(markdownTable(['n', 'v'], rows), '| n | v |\n| --- | ---: |\n| a, b | 1 |\n| say "x" | 2 |');
  assert.equal(csvTable(['n', 'v'], rows), 'n,v\n"a, b",1\n"say ""x""",2\n');
});
