import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { openDataset } from '../../src/data/datasets.js';
import type { LabelImage, RgbImage } from '../../src/data/image.js';
import { writeInstancePng, writeLabelPng, writeRgbPng } from '../../src/data/image.js';
import { UserError } from '../../src/errors.js';
import { evaluate } from '../../src/eval/evaluate.js';
import { cityscapesInstanceSizes } from '../../src/eval/instances.js';
import type { Predictor } from '../../src/eval/predictor.js';
import { vnet } from '../../src/nets/vnet.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-evaluate-'));
after(() => rmSync(folder, { recursive: true }));

/** Predicts the red value of each pixel as its class. */
const redPredictor = (classes: number): Predictor =>
  ({
    network: vnet({ classes }),
    labels: async ({ height, width, data }: RgbImage): Promise<LabelImage> => ({
      height,
      width,
      data: Uint8Array.from({ length: height * width }, (_, i) => data[3 * i]),
    }),
  }) as unknown as Predictor;

const rgb = (height: number, width: number, red: readonly number[]): RgbImage => ({
  height,
  width,
  data: Uint8Array.from(red.flatMap((value) => [value, 0, 0])),
});

async function writePair(
  dir: string,
  name: string,
  split: string,
  size: [number, number],
  red: number[],
  labels: number[],
) {
  await writeRgbPng(path.join(dir, 'images', split, name), rgb(...size, red));
  const [height, width] = size;
  await writeLabelPng(path.join(dir, 'labels', split, name), {
    height,
    width,
    data: Uint8Array.from(labels),
  });
}

test('scores a split of images of different sizes over all its pixels', async () => {
  const dir = path.join(folder, 'plain');
  await writePair(dir, 'a.png', 'val', [1, 4], [0, 0, 1, 1], [0, 1, 1, 255]);
  await writePair(dir, 'b.png', 'val', [3, 2], [0, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]);
  await writeRgbPng(path.join(dir, 'images', 'test', 'c.png'), rgb(1, 1, [0]));
  writeFileSync(path.join(dir, 'classes.json'), '{"names": ["a", "b", "c"]}');
  const dataset = await openDataset(dir);
  const seen: [string, number | undefined, number, number][] = [];
  const { scores, confusion, images } = await evaluate(redPredictor(3), dataset, {
    onImage: ({ sample, miou }, done, total) => void seen.push([sample.id, miou, done, total]),
  });
  assert.equal(images, 2);
  assert.deepEqual(confusion.toRows(), [
    [6, 1, 0],
    [1, 1, 0],
    [0, 0, 0],
  ]);
  assert.deepEqual(scores.classIou, [6 / 8, 1 / 3, undefined]);
  // Image a: classes 0 (1 of 2) and 1 (1 of 2); image b: class 0 (5 of 6), class 1 (0 of 1).
  assert.deepEqual(seen, [
    ['a', 1 / 2, 1, 2],
    ['b', 5 / 12, 2, 2],
  ]);

  await assert.rejects(evaluate(redPredictor(3), dataset, { split: 'test' }), (error) => {
    return (
      error instanceof UserError &&
      /split 'test' has no labels, so there is nothing to score/.test(error.message)
    );
  });
  await assert.rejects(evaluate(redPredictor(4), dataset), /has 3 classes but the model has 4/);
  await assert.rejects(evaluate(redPredictor(3), dataset, { split: 'nowhere' }), /has no split 'nowhere'/);
  const signal = AbortSignal.abort(new Error('enough'));
  await assert.rejects(evaluate(redPredictor(3), dataset, { signal }), /enough/);
});

test('messages of the network name the image', async () => {
  const dir = path.join(folder, 'small');
  await writePair(dir, 'tiny.png', 'val', [1, 1], [0], [0]);
  await writePair(dir, 'x.png', 'train', [1, 1], [0], [0]);
  writeFileSync(path.join(dir, 'classes.json'), '{"names": ["a", "b", "c"]}');
  const predictor = redPredictor(3);
  predictor.labels = async () => {
    throw new UserError('too small');
  };
  await assert.rejects(
    evaluate(predictor, await openDataset(dir)),
    /^UserError: [^\n]*tiny\.png: too small$/,
  );
});

test('Cityscapes: instance files add the instance-weighted scores', async () => {
  const dir = path.join(folder, 'cityscapes');
  const [person, car] = [11, 13];
  const size = { height: 1, width: 8 };
  const images = path.join(dir, 'leftImg8bit', 'val', 'town');
  const truth = path.join(dir, 'gtFine', 'val', 'town');
  mkdirSync(images, { recursive: true });
  mkdirSync(truth, { recursive: true });
  const name = 'town_000000_000001';
  await writeRgbPng(
    path.join(images, `${name}_leftImg8bit.png`),
    rgb(1, 8, [car, car, car, 0, person, 0, car, 0]),
  );
  await writeLabelPng(path.join(truth, `${name}_gtFine_labelIds.png`), {
    ...size,
    data: Uint8Array.of(26, 26, 26, 26, 24, 24, 7, 4),
  });
  await writeInstancePng(path.join(truth, `${name}_gtFine_instanceIds.png`), {
    ...size,
    data: Uint16Array.of(26000, 26000, 26000, 26001, 24000, 24000, 7, 4),
  });
  const { scores } = await evaluate(redPredictor(19), await openDataset(dir));
  const weight = cityscapesInstanceSizes.car;
  // Car 0: 3 of 3 pixels, weight/3 each; car 1: 0 of 1; one road pixel taken for a car.
  const expected = weight / (weight + weight + 1);
  assert.ok(Math.abs(scores.classIiou![car]! - expected) < 1e-12);
  assert.ok(Math.abs(scores.classIiou![person]! - 0.5) < 1e-12);
  assert.ok(Math.abs(scores.categoryIou!.human! - 0.5) < 1e-12);
  const without = await evaluate(redPredictor(19), await openDataset(dir), { instances: false });
  assert.equal(without.scores.classIiou, undefined);
  assert.deepEqual(without.scores.classIou, scores.classIou);
});
