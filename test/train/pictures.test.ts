import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { openDataset } from '../../src/data/datasets.js';
import { readSample } from '../../src/data/read-sample.js';
import { MemoryFiles } from '../../src/data/storage/named.js';
import { UserError } from '../../src/errors.js';
import { decodeModel } from '../../src/model/format.js';
import { readTraining, runFiles } from '../../src/train/checkpoint.js';
import type { TrainEvent } from '../../src/train/events.js';
import { FilesStore } from '../../src/train/filesStore.js';
import type { LabelledPicture } from '../../src/train/labelledPicture.js';
import type { TrainPicturesOptions } from '../../src/train/pictures.js';
import { trainPictures } from '../../src/train/pictures.js';
import { train } from '../../src/train/train.js';
import { shortRecipe, tinyNetwork, writeDataset } from './support.js';

const dir = mkdtempSync(path.join(tmpdir(), 'vnet-pictures-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function picturesOf(data: string, split: string): Promise<LabelledPicture[]> {
  const dataset = await openDataset(data);
  return Promise.all(
    dataset.samples(split).map(async (sample) => ({ id: sample.id, ...(await readSample(dataset, sample)) })),
  );
}

const recipe = {
  device: wasmBackend,
  ...shortRecipe,
  classWeights: 'enet',
  augment: { scale: [0.8, 1.4], jitter: 0.4, rotate: 5, cutMix: 0.3, classMix: 0.3, noise: 8, jpeg: 0.3 },
} as const;

test('pictures in memory give the weights, scores and metrics of the same pictures in a folder, bit for bit', async () => {
  const data = path.join(dir, 'data');
  await writeDataset(data, { train: 7, val: 3 });
  const out = path.join(dir, 'run');
  const losses: Record<string, number[]> = { folder: [], memory: [] };
  const listen = (name: string) => (event: TrainEvent) => {
    if (event.type === 'step') losses[name].push(event.loss);
  };
  const augment = { ...recipe.augment, scale: [0.8, 1.4] as [number, number] };
  const folder = await train({
    ...recipe,
    augment,
    data,
    out,
    samples: 0,
    workers: 0,
    onEvent: listen('folder'),
  });

  const files = new MemoryFiles();
  const store = new FilesStore(files);
  let predictions = 0;
  const options: TrainPicturesOptions = {
    ...recipe,
    augment,
    train: await picturesOf(data, 'train'),
    validation: await picturesOf(data, 'val'),
    classes: {
      names: ['dark', 'bright'],
      colours: [
        [0, 0, 0],
        [255, 255, 255],
      ],
    },
    store,
    onEvent: listen('memory'),
    onPrediction: () => predictions++,
  };
  const memory = await trainPictures(options);
  assert.deepEqual(losses.memory, losses.folder);
  assert.equal(memory.bestMiou, folder.bestMiou);
  assert.equal(predictions, 9);
  const [a, b] = [await store.readLast(), await readTraining(runFiles(out).last)];
  assert.deepEqual(a?.weights, b.weights);
  assert.deepEqual(a?.average, b.average);
  assert.deepEqual(a?.optimizer, b.optimizer);
  const lines = await store.readMetrics();
  assert.equal(lines.filter(({ type }) => type === 'validation').length, 3);

  // Stopped after its fourth step, in another store, and gone on with: the same weights.
  const half = new FilesStore(new MemoryFiles());
  const stop = new AbortController();
  const stopped = await trainPictures({
    ...options,
    store: half,
    signal: stop.signal,
    onEvent: (event) => {
      if (event.type === 'step' && event.step === 4) stop.abort();
    },
  });
  assert.ok(stopped.interrupted && stopped.step === 4);
  await trainPictures({ ...options, store: half, resume: true });
  assert.deepEqual((await half.readLast())?.weights, b.weights);

  // The best model starts another run, for other classes: its head starts fresh.
  const best = decodeModel((await files.read(store.best))!, 'best');
  assert.equal(best.info.trained.miou, memory.bestMiou);
});

test('what cannot be trained on is said in one line', async () => {
  const data = path.join(dir, 'bad');
  await writeDataset(data, { train: 3 });
  const pictures = await picturesOf(data, 'train');
  const options = {
    device: wasmBackend,
    network: tinyNetwork,
    epochs: 1,
    batch: 2,
    classes: { names: ['dark', 'bright'], colours: [] },
    store: new FilesStore(new MemoryFiles()),
  };
  const [first, ...others] = pictures;
  const wide = { ...first, id: 'wide', labels: { ...first.labels, width: 41 } };
  const odd = {
    id: 'odd',
    image: { width: 64, height: 32, data: new Uint8Array(64 * 32 * 3) },
    labels: { width: 64, height: 32, data: new Uint8Array(64 * 32) },
  };
  const strange = {
    ...first,
    id: 'strange',
    labels: { ...first.labels, data: first.labels.data.map(() => 7) },
  };
  for (const [train, message] of [
    [[first], /^1 pictures are fewer than the 2 of a step/],
    [[wide, ...others], /^wide: labels are 41×32, but the picture is 40×32/],
    [[first, odd], /^odd: is 64×32, but train0 is 40×32; training needs one size/],
    [[strange, first], /^strange: label value 7 is neither one of 2 classes nor ignored/],
  ] as const) {
    await assert.rejects(trainPictures({ ...options, train }), (error: Error) => {
      assert.ok(error instanceof UserError);
      assert.match(error.message, message);
      return true;
    });
  }
  await assert.rejects(
    trainPictures({ ...options, train: pictures, resume: true }),
    /holds no run to resume/,
  );
});
