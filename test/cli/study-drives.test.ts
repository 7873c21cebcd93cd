import assert from 'node:assert/strict';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { openDataset } from '../../src/data/datasets.js';
import { writeSynthetic } from '../../src/data/synth.js';
import { temporaryFolder, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const drives = (...more: string[]) =>
  vnetHere([
    ...['study', 'drives', '--data', at('scenes'), '--out', at('drives'), '--folds', '2'],
    ...['--config', at('recipe.json'), '--threads', '1', ...more],
  ]);

before(async () => {
  await writeSynthetic({ out: at('scenes'), count: 6, height: 64, width: 96, seed: 3, valFraction: 0.34 });
  const recipe = { epochs: 2, batch: 2, size: { crop: [32, 48] }, augment: { jitter: 0.3 }, average: 0.9 };
  writeFileSync(at('recipe.json'), JSON.stringify(recipe));
});

test('study drives: each part is scored by a training that has not seen it, as eval scores it', async () => {
  const { code, stderr, stdout } = await drives();
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^fold-1 +3 /m);
  const { results, mean, worst } = JSON.parse(readFileSync(at('drives', 'drives.json'), 'utf8'));
  assert.deepEqual(
    results.map(({ part, images, epochs, steps }: Record<string, unknown>) => [part, images, epochs, steps]),
    [
      ['fold-1', 3, 2, 2],
      ['fold-2', 3, 2, 2],
    ],
  );
  const scores = results.map(({ miou }: { miou: number }) => miou) as number[];
  assert.ok(Math.abs(mean - (scores[0] + scores[1]) / 2) < 1e-12);
  assert.equal(worst, Math.min(...scores));
  // The images of a fold, as stretches of all names; and the run says which it validated on.
  const dataset = await openDataset(at('scenes'));
  const all = ['train', 'val'].flatMap((split) => dataset.samples(split).map(({ id }) => id)).sort();
  const held = JSON.parse(readFileSync(at('drives', 'fold-1', 'validation.json'), 'utf8'));
  assert.deepEqual(
    held.images.map(({ id }: { id: string }) => id),
    all.slice(0, 3),
  );
  assert.equal(held.scores.miou, scores[0]);
  const markdown = readFileSync(at('drives', 'drives.md'), 'utf8');
  assert.match(markdown, /^\| fold-2 \| 3 \| [\d.]+ \|/m);
});

test('what is finished is kept, what is missing is done again with the same score, another recipe refused', async () => {
  const file = at('drives', 'fold-1', 'last.safetensors');
  const [made, result] = [statSync(file).mtimeMs, readFileSync(at('drives', 'drives.json'), 'utf8')];
  rmSync(at('drives', 'fold-2'), { recursive: true });
  const { code, stderr } = await drives();
  assert.equal(code, 0, stderr);
  assert.equal(statSync(file).mtimeMs, made);
  const mious = (text: string) => JSON.parse(text).results.map(({ miou }: { miou: number }) => miou);
  assert.deepEqual(mious(readFileSync(at('drives', 'drives.json'), 'utf8')), mious(result));
  const other = await drives('--epochs', '3');
  assert.equal(other.code, 2);
  assert.match(other.stderr, /^vnet: .*holds a study with other data, groups or recipe[^\n]+\n$/);
});

test('train --hold-out validates on what matches; wrong expressions are told', async () => {
  const [{ id }] = (await openDataset(at('scenes'))).samples('val');
  const run = (...more: string[]) =>
    vnetHere([
      ...['train', '--data', at('scenes'), '--out', at('held'), '--config', at('recipe.json')],
      ...['--epochs', '1', '--threads', '1', '--val-resize', '32x48', ...more],
    ]);
  const done = await run('--hold-out', `${id}$`);
  assert.equal(done.code, 0, done.stderr);
  const validation = JSON.parse(readFileSync(at('held', 'validation.json'), 'utf8'));
  assert.equal(validation.images.length, 1);
  assert.match(readFileSync(at('held', 'report.html'), 'utf8'), new RegExp(id));
  rmSync(at('held'), { recursive: true });
  const none = await run('--hold-out', 'nowhere');
  assert.equal(none.code, 2);
  assert.match(none.stderr, /\/nowhere\/ holds out 0 of 6 images/);
  const wrong = await run('--hold-out', '(');
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /"holdOut": expected a regular expression|"holdOut"/);
  const both = await drives('--group', 'x');
  assert.match(both.stderr, /either --group[^\n]*or --folds/);
});
