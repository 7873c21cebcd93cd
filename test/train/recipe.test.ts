import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseStages, trainingOf } from '../../experiments/stages.js';
import { loadModel } from '../../src/model/load.js';
import { parseTrainConfig } from '../../src/train/config.js';
import { rejects } from '../data/helpers.js';
import { writeDataset } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-recipe-'));
after(() => rmSync(folder, { recursive: true }));
const root = fileURLToPath(new URL('../../../', import.meta.url));
const shipped = path.join(root, 'experiments/shipped.json');
const read = (name: string) => parseStages(readFileSync(path.join(root, 'experiments', name), 'utf8'), name);

function recipe(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const child = spawn(process.execPath, [path.join(root, 'build/experiments/recipe.js'), ...args]);
  const [out, err] = [child.stdout, child.stderr].map((stream) => {
    const parts: string[] = [];
    stream.setEncoding('utf8').on('data', (part: string) => parts.push(part));
    return parts;
  });
  return new Promise((resolve) =>
    child.on('close', (code) => resolve({ code, out: out.join(''), err: err.join('') })),
  );
}

test('the recipe of the model in the box has the stages that its card tells', () => {
  const stages = read('shipped.json');
  const plan = Object.values(stages).map((stage, i) => {
    const { config, until } = trainingOf(stage, i > 0 ? 'before' : undefined);
    const { epochs, schedule, size } = parseTrainConfig({ ...config, data: '.', out: '.' });
    return [epochs, until, schedule, size];
  });
  assert.deepEqual(plan, [
    [44, 44, 'constant', 'full'],
    [75, 75, 'poly', 'full'],
    [300, 300, 'poly', 'full'],
    [12, 10, 'poly', { resize: [720, 960] }],
  ]);
  assert.equal(trainingOf(stages.large, 'before', 3).until, 3);
});

test('one command trains all stages, from one to the next; done ones are kept', {
  timeout: 240_000,
}, async () => {
  await writeDataset(path.join(folder, 'data'), { train: 4, val: 1 }, [40, 56]);
  const out = path.join(folder, 'out');
  const args = [
    shipped,
    '--data',
    path.join(folder, 'data'),
    '--out',
    out,
    '--epochs',
    '1',
    '--workers',
    '0',
  ];
  const first = await recipe(...args);
  assert.equal(first.code, 0, first.err);
  assert.equal(first.out.trim(), path.join(out, 'large.safetensors'));
  const names = ['constant', 'decay', 'light', 'large'];
  const files = names.map((name) => path.join(out, `${name}.safetensors`));
  const models = await Promise.all(files.map((file) => loadModel(file)));
  // Half of the bytes a weight from the second stage on, and every stage changed what it was given.
  const bytes = files.map((file) => statSync(file).size);
  assert.ok(bytes[1] < 0.6 * bytes[0], bytes.join());
  for (const i of [1, 2, 3]) {
    const config = JSON.parse(readFileSync(path.join(out, names[i], 'config.json'), 'utf8'));
    assert.equal(config.init, files[i - 1]);
    assert.notDeepEqual(models[i].weights, models[i - 1].weights);
  }
  assert.deepEqual(models[3].info.trained.image, [720, 960]);
  const again = await recipe(...args);
  assert.equal(again.code, 0, again.err);
  assert.equal(again.err, '');
});

test('a stage on synthetic scenes reads them with the classes beside the recipe', {
  timeout: 240_000,
}, async () => {
  const { scenes } = read('scenes.json').scenes;
  assert.deepEqual([scenes?.count, scenes?.size], [640, [360, 480]]);
  const text = JSON.stringify({
    stages: {
      few: {
        scenes: {
          count: 4,
          size: [64, 96],
          seed: 1,
          val: 0.25,
          classes: path.basename('scenes-as-camvid.json'),
        },
        train: { epochs: 2, batch: 2, size: { crop: [48, 64] } },
        until: 1,
      },
    },
  });
  const { writeFileSync, copyFileSync } = await import('node:fs');
  writeFileSync(path.join(folder, 'few.json'), text);
  copyFileSync(
    path.join(root, 'experiments/scenes-as-camvid.json'),
    path.join(folder, 'scenes-as-camvid.json'),
  );
  const out = path.join(folder, 'few');
  const { code, err } = await recipe(
    path.join(folder, 'few.json'),
    '--data',
    '.',
    '--out',
    out,
    '--workers',
    '0',
  );
  assert.equal(code, 0, err);
  const { info } = await loadModel(path.join(out, 'few.safetensors'));
  assert.equal(info.trained.epoch, 1);
  assert.equal(info.classes.names[10], 'bicyclist');
  assert.ok(existsSync(path.join(out, 'few-scenes/classes.json')));
});

test('a wrong recipe is one line that names the file and the stage', async () => {
  const fails = (json: unknown, ...parts: string[]) =>
    rejects(async () => parseStages(JSON.stringify(json), 'my.json'), 'my.json', ...parts);
  await fails({ stages: {} }, 'at least one');
  await fails({ stages: { a: { train: { epochs: 3, out: 'x' } } } }, 'stages.a', 'recipe’s to choose');
  await fails({ stages: { a: { train: { epochs: 3 }, until: 4 } } }, 'until', 'more epochs');
  await fails({ stages: { a: { train: { epocs: 3 } } } }, 'stage a', 'epocs');
  await fails({ stages: { 'a/b': { train: {} } } }, 'stages.a/b');
});
