import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { decode } from 'fast-png';
import { unzipSync } from 'fflate';
import { parseHTML } from 'linkedom';
import { writeRgbPng } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { readTraining } from '../../src/train/checkpoint.js';
import { temporaryFolder, vnet, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const study = (...more: string[]) =>
  vnetHere([
    ...['study', 'resolution', '--data', at('scenes'), '--out', at('study'), '--iterations', '3'],
    ...['--batch', '2', '--threads', '1', '--crop', '32x48', ...more],
  ]);

before(() =>
  writeSynthetic({ out: at('scenes'), count: 6, height: 64, width: 96, seed: 3, valFraction: 0.34 }),
);

test('study resolution: three trainings of equal iterations; a table, JSON and a plot', async () => {
  const { code, stderr, stdout } = await study();
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^full +64×96 +4 /m);
  const { settings, results } = JSON.parse(readFileSync(at('study', 'resolution.json'), 'utf8'));
  assert.deepEqual([settings.iterations, settings.epochs], [4, 2], 'rounded up to whole epochs');
  assert.deepEqual(
    results.map(({ part, height, width }: Record<string, unknown>) => [part, height, width]),
    [
      ['full', 64, 96],
      ['crop', 32, 48],
      ['resize', 32, 48],
    ],
  );
  for (const { part, miou, iterations } of results) {
    assert.equal(iterations, 4);
    const { progress } = await readTraining(at('study', part, 'last.safetensors'));
    assert.equal(progress.step, 4);
    const own = ['eval', '--model', at('study', part, 'last.safetensors'), '--data', at('scenes')];
    if (part !== 'crop') continue;
    assert.equal(
      JSON.parse((await vnetHere([...own, '--json'])).stdout).miou,
      miou,
      'scored at full resolution',
    );
  }
  assert.equal(typeof results[2].resizedMiou, 'number');
  assert.equal(results[0].resizedMiou, undefined);
  const lines = readFileSync(at('study', 'resolution.md'), 'utf8').split('\n');
  assert.equal(lines.filter((line) => /^\| (full|crop|resize) \|/.test(line)).length, 3);
  const { document } = parseHTML(readFileSync(at('study', 'resolution.svg'), 'utf8'));
  assert.equal(document.querySelectorAll('[aria-label="bar"] rect').length, 3);
});

test('study: finished parts are kept, an unfinished one is done again, another study refused', async () => {
  const file = (part: string) => at('study', part, 'last.safetensors');
  const modified = () => ['full', 'crop'].map((part) => statSync(file(part)).mtimeMs);
  const before = modified();
  const result = readFileSync(at('study', 'resize', 'result.json'), 'utf8');
  rmSync(at('study', 'resize'), { recursive: true });
  const { code, stderr } = await study();
  assert.equal(code, 0, stderr);
  assert.match(
    stderr,
    /1\/3 full.*finished before\n.*2\/3 crop.*finished before\n.*3\/3 resize.*4 iterations/,
  );
  assert.deepEqual(modified(), before);
  const scores = (text: string) => ({ ...JSON.parse(text), trainingSeconds: 0, imagesPerSecond: 0 });
  assert.deepEqual(scores(readFileSync(at('study', 'resize', 'result.json'), 'utf8')), scores(result));
  const other = await study('--seed', '2');
  assert.equal(other.code, 2);
  assert.match(other.stderr, /^vnet: .*study: holds a study with another seed \(1, now 2\)[^\n]+\n$/);
  const large = await study('--resize', '128x96');
  assert.equal(large.code, 2);
  assert.match(large.stderr, /--resize 128x96: is larger than the images, 64x96/);
});

test('study policy and alpha-beta: memory, time and scores at equal iterations; what is done is kept', async () => {
  const common = ['--size', '64x96', '--threads', '1', '--batch', '2', '--device', 'wasm', '--json'];
  const trained = ['--data', at('scenes'), '--iterations', '2'];
  const policy = () => vnetHere(['study', 'policy', '--out', at('policy'), ...common, ...trained]);
  const { code, stdout, stderr } = await policy();
  assert.equal(code, 0, stderr);
  const results = JSON.parse(stdout) as {
    name: string;
    trainingBytes: number;
    trained: { miou: number; loss: number };
  }[];
  assert.deepEqual(
    results.map(({ name }) => name),
    ['reversible', 'checkpoint', 'save'],
  );
  const [reversible, checkpoint, save] = results;
  assert.ok(
    reversible.trainingBytes <= checkpoint.trainingBytes && checkpoint.trainingBytes < save.trainingBytes,
  );
  assert.ok(
    Math.abs(reversible.trained.loss - save.trained.loss) < 1e-3,
    'one network, the same gradients to rounding',
  );
  const again = await policy();
  assert.equal(again.stdout, stdout);
  assert.doesNotMatch(again.stderr, /training|measuring/);
  for (const name of ['policy.md', 'policy.svg']) assert.ok(existsSync(at('policy', name)), name);
  const other = await vnetHere(['study', 'policy', '--out', at('policy'), ...common]);
  assert.match(other.stderr, /policy: holds a study with other options/);

  const depth = ['--alphas', '0,1', '--betas', '1'];
  const table = await vnetHere(['study', 'alpha-beta', '--out', at('depth'), ...depth, ...common]);
  assert.equal(table.code, 0, table.stderr);
  const rows = JSON.parse(table.stdout) as { name: string; parameters: number; trained?: object }[];
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['alpha 0, beta 1', 'alpha 1, beta 1'],
  );
  assert.ok(rows[0].parameters < rows[1].parameters && rows[0].trained === undefined);
});

/** labelIds of the 19 classes in the order of their train ids, as Cityscapes publishes them. */
const labelIds = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33];

test('predict --submission --data: official names, full size, labelIds', async () => {
  const model = ['--model', at('study', 'full')];
  const names = ['berlin_000000_000019', 'bielefeld_000000_000321'];
  for (const [i, name] of names.entries()) {
    const city = at('cityscapes', 'leftImg8bit', 'test', name.split('_')[0]);
    mkdirSync(city, { recursive: true });
    const { image } = renderScene(8, i, 48, 80 + 7 * i);
    await writeRgbPng(path.join(city, `${name}_leftImg8bit.png`), image);
  }
  const [zipped, plain] = await Promise.all([
    vnet(['predict', ...model, '--data', at('cityscapes'), '--submission', at('test.zip')]),
    vnet(['predict', ...model, '--data', at('cityscapes'), '--out', at('plain')]),
  ]);
  assert.equal(zipped.code, 0, zipped.stderr);
  assert.equal(plain.code, 0, plain.stderr);
  const files = unzipSync(readFileSync(at('test.zip')));
  assert.deepEqual(
    Object.keys(files).sort(),
    names.map((name) => `${name}_pred_labelIds.png`),
  );
  for (const [i, name] of names.entries()) {
    const { width, height, data, channels, depth } = decode(files[`${name}_pred_labelIds.png`]);
    assert.deepEqual([height, width, channels, depth], [48, 80 + 7 * i, 1, 8]);
    const trainIds = await readLabels(at('plain', `${name}_labels.png`));
    assert.deepEqual(
      [...data],
      [...trainIds.data].map((id) => labelIds[id]),
    );
  }
});

test('predict --submission: what cannot be submitted leaves no zip', async () => {
  const model = ['--model', at('study', 'full')];
  const zip = ['--submission', at('bad.zip')];
  const failed = async (args: readonly string[], pattern: RegExp, exitCode = 1) => {
    const { code, stderr } = await vnetHere(['predict', ...args]);
    assert.equal(code, exitCode, stderr);
    assert.match(stderr, pattern);
    assert.match(stderr, /^vnet: [^\n]+\n$/);
    assert.deepEqual(
      readdirSync(folder).filter((name) => name.startsWith('bad.zip')),
      [],
    );
  };
  const [first] = readdirSync(at('cityscapes', 'leftImg8bit', 'test', 'berlin'));
  const image = at('cityscapes', 'leftImg8bit', 'test', 'berlin', first);
  renameSync(image, at('holiday.png'));
  await failed([...model, at('holiday.png'), ...zip], /holiday: is no Cityscapes image name/);
  await failed([...model, ...zip], /give pictures or folders to predict, or a data set/, 2);
  await failed([...model, at('holiday.png'), '--data', at('cityscapes')], /either pictures or --data/, 2);
  await failed([...model, '--data', at('cityscapes'), '--split', 'val', ...zip], /has no split 'val'/);
  const none = await vnetHere(['eval', ...model, '--data', at('cityscapes'), '--split', 'test']);
  assert.equal(none.code, 1);
  assert.match(none.stderr, /no label file was found for any of the 1 images of split 'test'/);
  assert.ok(!existsSync(at('bad.zip')));
});
