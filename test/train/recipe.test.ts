import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { putBeside } from '../../experiments/beside.js';
import { parseStages, trainingOf } from '../../experiments/stages.js';
import { openDataset } from '../../src/data/datasets.js';
import { readSample } from '../../src/data/read-sample.js';
import { writeSynthetic } from '../../src/data/synth.js';
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
  const { copyFileSync } = await import('node:fs');
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

test('scenes beside the data join its training images, with its classes; once more changes nothing', async () => {
  const at = (...parts: string[]) => path.join(folder, 'beside', ...parts);
  await writeDataset(at('data'), { train: 3, val: 1 }, [40, 56]);
  const { names } = JSON.parse(readFileSync(at('data', 'classes.json'), 'utf8')) as { names: string[] };
  await writeSynthetic({ out: at('scenes'), count: 2, height: 40, width: 56, seed: 1, valFraction: 0 });
  const mapping = Object.fromEntries(Array.from({ length: 34 }, (_, raw) => [raw, raw === 23 ? 1 : 0]));
  writeFileSync(at('scenes', 'classes.json'), JSON.stringify({ names, mapping, ignore: [255] }));
  const [data, scenes] = await Promise.all([openDataset(at('data')), openDataset(at('scenes'))]);
  await putBeside(at('both'), data, scenes, 'day_');
  const both = await openDataset(at('both'));
  const given = [
    ...data.samples('train').map((s) => [data, s] as const),
    ...scenes.samples('train').map((s) => [scenes, s] as const),
  ];
  assert.deepEqual(
    both
      .samples('train')
      .map(({ id }) => id)
      .sort(),
    given.map(([from, { id }]) => (from === scenes ? 'day_' : '') + id.replaceAll('/', '_')).sort(),
  );
  assert.equal(both.samples('val').length, 1);
  for (const [from, sample] of given) {
    const id = (from === scenes ? 'day_' : '') + sample.id.replaceAll('/', '_');
    const put = both.samples('train').find((one) => one.id === id)!;
    assert.deepEqual(await readSample(both, put), await readSample(from, sample));
  }
  const before = statSync(at('both', 'images/train')).mtimeMs;
  await putBeside(at('both'), data, scenes, 'day_');
  assert.equal(statSync(at('both', 'images/train')).mtimeMs, before);
  writeFileSync(
    at('scenes', 'classes.json'),
    JSON.stringify({ names: ['a', 'b', 'c'], mapping, ignore: [255] }),
  );
  await rejects(
    async () => putBeside(at('no'), data, await openDataset(at('scenes')), 'day_'),
    'a, b, c',
    'classes',
  );
});

test('a wrong recipe is one line that names the file and the stage', async () => {
  const fails = (json: unknown, ...parts: string[]) =>
    rejects(async () => parseStages(JSON.stringify(json), 'my.json'), 'my.json', ...parts);
  await fails({ stages: {} }, 'at least one');
  await fails({ stages: { a: { train: { epochs: 3, out: 'x' } } } }, 'stages.a', 'recipe’s to choose');
  await fails({ stages: { a: { train: { epochs: 3 }, until: 4 } } }, 'until', 'more epochs');
  const scenes = { count: 4, size: [64, 96], seed: 1, val: 0.5, classes: 'x', beside: true };
  await fails({ stages: { a: { scenes, train: {} } } }, 'val', 'beside the data are for training');
  assert.equal(read('dusk.json').dusk.scenes?.light, 'dusk');
  assert.equal(read('dusk-long.json').again.train.holdOut, '^0001TP');
  assert.deepEqual(read('tiny.json').tiny.train.teacher, { models: ['camvid'], share: 0.7 });
  await fails({ stages: { a: { train: { epocs: 3 } } } }, 'stage a', 'epocs');
  await fails({ stages: { 'a/b': { train: {} } } }, 'stages.a/b');
});
