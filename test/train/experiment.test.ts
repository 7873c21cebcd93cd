import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { configOf, parseExperiment, type Run, rowOf, runsOf } from '../../experiments/experiment.js';
import { parseTrainConfig } from '../../src/train/config.js';
import { rejects } from '../data/helpers.js';

const text = (more: object = {}) =>
  JSON.stringify({
    group: '^[^_]+',
    base: { batch: 4, augment: { jitter: 0.5, scale: [0.7, 2] } },
    recipes: { a: {}, b: { augment: { jitter: 0.7 } }, c: { learningRate: 0.002 } },
    rungs: [{ epochs: 4, keep: 0.5 }, { epochs: 12, keep: 1 }, { epochs: 30 }],
    ...more,
  });
const groups = ['x', 'y'];
const known = (scores: Record<string, number>) => (run: Run) => {
  const miou = scores[`${run.recipe}${run.epochs}${run.group}`];
  return miou === undefined ? undefined : { miou, seconds: 10 };
};

test('halving: all recipes, then the best by the mean over groups, none before the rung is finished', () => {
  const experiment = parseExperiment(text(), 'some.json');
  const first = runsOf(experiment, groups, 0, () => undefined)!;
  assert.deepEqual(
    first.map(({ recipe, group, epochs }) => [recipe, group, epochs]),
    ['a', 'b', 'c'].flatMap((recipe) => groups.map((group) => [recipe, group, 4])),
  );
  const scores: Record<string, number> = { a4x: 0.2, a4y: 0.5, b4x: 0.4, b4y: 0.5, c4x: 0.1 };
  assert.equal(runsOf(experiment, groups, 1, known(scores)), undefined);
  const row = rowOf(experiment, groups, 0, 'c', known(scores));
  assert.deepEqual([row.groups, row.mean, row.worst, row.seconds], [[0.1, null], null, null, 10]);
  scores.c4y = 0.9;
  // Means 0.35, 0.45, 0.5: half of three, rounded up, is two.
  const second = runsOf(experiment, groups, 1, known(scores))!;
  assert.deepEqual([...new Set(second.map(({ recipe }) => recipe))], ['c', 'b']);
  const finished = known({ ...scores, c12x: 0.5, c12y: 0.5, b12x: 0.6, b12y: 0.6 });
  assert.deepEqual(
    runsOf(experiment, groups, 2, finished)!.map(({ recipe, epochs }) => [recipe, epochs]),
    [
      ['b', 30],
      ['b', 30],
    ],
  );
});

test('a recipe is what it changes of the base; scores are means over the seeds', () => {
  const experiment = parseExperiment(text({ seeds: [1, 2] }), 'some.json');
  assert.deepEqual(configOf(experiment, 'b'), { batch: 4, augment: { jitter: 0.7, scale: [0.7, 2] } });
  const row = rowOf(experiment, ['x'], 0, 'a', ({ seed }) => ({ miou: seed / 10, seconds: 1 }));
  assert.ok(Math.abs(row.mean! - 0.15) < 1e-12);
});

test('mistakes name the file and the option', async () => {
  const refused = (more: object, ...patterns: string[]) =>
    rejects(() => parseExperiment(text(more), 'some.json'), 'some.json', ...patterns);
  await rejects(() => parseExperiment('{', 'some.json'), 'some.json', 'JSON');
  await refused({ rungs: [] }, '"rungs"');
  await refused({ recipes: {} }, '"recipes"');
  await refused({ recipes: { a: { learningrate: 1 } } }, 'recipe a', 'learningrate');
  await refused({ recipes: { a: { epochs: 3 } } }, '"recipes.a"', 'epochs');
  await refused({ recipes: { 'a b': {} } }, 'letters');
});

test('the queues of the project are experiments, and its recipes options of train', () => {
  const repository = fileURLToPath(new URL('../../../', import.meta.url));
  const file = path.join(repository, 'experiments', 'camvid.json');
  const experiment = parseExperiment(readFileSync(file, 'utf8'), file);
  for (const name of Object.keys(experiment.recipes)) {
    parseTrainConfig({ data: '.', out: '.', ...configOf(experiment, name) });
  }
});
