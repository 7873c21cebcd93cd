import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cityscapesClasses } from '../../src/data/layouts/cityscapes.js';
import { ConfusionMatrix } from '../../src/eval/confusion.js';
import { cityscapesInstanceSizes, InstanceCounter } from '../../src/eval/instances.js';
import { scoresOf } from '../../src/eval/iou.js';
import { outputsFor } from '../../src/model/outputs.js';

const close = (actual: number | undefined, expected: number, tolerance = 1e-12) =>
  assert.ok(
    actual !== undefined && Math.abs(actual - expected) <= tolerance,
    `${actual} instead of ${expected}`,
  );

test('counts by truth and prediction, without ignored pixels', () => {
  const confusion = new ConfusionMatrix(3);
  confusion.add(Uint8Array.of(0, 0, 1, 2, 255, 255), Uint8Array.of(0, 1, 1, 0, 2, 200));
  assert.deepEqual(confusion.toRows(), [
    [1, 1, 0],
    [0, 1, 0],
    [1, 0, 0],
  ]);
  assert.equal(confusion.ignored, 2);
  assert.equal(confusion.total, 4);
});

test('values that are no class are refused and leave no trace', () => {
  const confusion = new ConfusionMatrix(3);
  assert.throws(() => confusion.add(Uint8Array.of(0, 3), Uint8Array.of(0, 0)), /label 3 is not one of the 3/);
  assert.throws(() => confusion.add(Uint8Array.of(0, 1), Uint8Array.of(0, 7)), /predicted class 7/);
  assert.throws(() => confusion.add(Uint8Array.of(0, 1), Uint8Array.of(0)), /same size/);
  assert.equal(confusion.total, 0);
  assert.throws(() => new ConfusionMatrix(256), RangeError);
});

test('scores of a matrix worked out by hand', () => {
  const confusion = new ConfusionMatrix(3);
  // Truth: 10 of class 0 (8 right, 2 as 1), 5 of class 1 (4 right, 1 as 2), 5 of class 2 (5 right).
  confusion.counts.set([8, 2, 0, 0, 4, 1, 0, 0, 5]);
  const scores = scoresOf(confusion);
  close(scores.classIou[0], 8 / 10);
  close(scores.classIou[1], 4 / 7);
  close(scores.classIou[2], 5 / 6);
  close(scores.miou, (8 / 10 + 4 / 7 + 5 / 6) / 3);
  close(scores.pixelAccuracy, 17 / 20);
  close(scores.classAccuracy[1], 4 / 5);
  close(scores.meanAccuracy, (0.8 + 0.8 + 1) / 3);
});

test('absent from both is left out of the mean; predicted but never true is zero; true but never predicted too', () => {
  const confusion = new ConfusionMatrix(4);
  // Class 0: true and predicted; 1: true, never predicted; 2: predicted, never true; 3: neither.
  confusion.add(Uint8Array.of(0, 0, 0, 1, 255), Uint8Array.of(0, 0, 2, 0, 3));
  const scores = scoresOf(confusion);
  assert.deepEqual(scores.classIou, [2 / 4, 0, 0, undefined]);
  close(scores.miou, 0.5 / 3);
  assert.deepEqual(scores.classAccuracy, [2 / 3, 0, undefined, undefined]);
});

test('an image without labelled pixels has no scores rather than NaN', () => {
  const confusion = new ConfusionMatrix(2);
  confusion.add(new Uint8Array(9).fill(255), new Uint8Array(9));
  const scores = scoresOf(confusion, { categories: [{ name: 'all', classes: [0, 1] }] });
  assert.equal(scores.miou, undefined);
  assert.equal(scores.pixelAccuracy, undefined);
  assert.deepEqual(scores.categoryIou, { all: undefined });
});

test('category IoU forgives confusions inside a category', () => {
  const confusion = new ConfusionMatrix(3);
  confusion.counts.set([3, 2, 1, 1, 2, 0, 4, 0, 7]);
  const scores = scoresOf(confusion, {
    categories: [
      { name: 'a', classes: [0, 1] },
      { name: 'b', classes: [2] },
    ],
  });
  // a: tp 3+2+1+2 = 8, fn 1, fp 4. b: tp 7, fn 4, fp 1.
  close(scores.categoryIou?.a, 8 / 13);
  close(scores.categoryIou?.b, 7 / 12);
  close(scores.meanCategoryIou, (8 / 13 + 7 / 12) / 2);
});

test('iIoU of a hand-made instance map', () => {
  // Classes: 0 ground, 1 car (raw 26, average 6 px), 2 truck (raw 27, average 10 px); category vehicle = {1, 2}.
  const categories = [{ name: 'vehicle', classes: [1, 2] }];
  const counter = new InstanceCounter(
    [
      { trainId: 1, raw: 26, averageSize: 6 },
      { trainId: 2, raw: 27, averageSize: 10 },
    ],
    categories,
  );
  // Two cars of 4 and 2 pixels, a truck of 2, a car group without numbers (26), ground (7), all in one row.
  const instances = Uint16Array.of(26001, 26001, 26001, 26001, 26002, 26002, 27001, 27001, 26, 7, 7, 7);
  const labels = Uint8Array.of(1, 1, 1, 1, 1, 1, 2, 2, 1, 0, 0, 0);
  const prediction = Uint8Array.of(1, 1, 1, 0, 0, 2, 1, 2, 1, 1, 2, 0);
  counter.add(instances, prediction);
  const confusion = new ConfusionMatrix(3);
  confusion.add(labels, prediction);
  const scores = scoresOf(confusion, { categories, instances: counter });
  // Car 1: weight 6/4, 3 of 4 right. Car 2: weight 6/2, 0 of 2. tp = 4.5, fn = 1.5 + 6; fp: one truck, one ground.
  close(scores.classIiou?.[1], 4.5 / (4.5 + 7.5 + 2));
  // Truck: weight 5, 1 of 2 right; fp: one car pixel, one ground pixel.
  close(scores.classIiou?.[2], 5 / (5 + 5 + 2));
  assert.equal(scores.classIiou?.[0], undefined);
  close(scores.meanIiou, (4.5 / 14 + 5 / 12) / 2);
  // Vehicle: car 1 3 of 4, car 2 1 of 2, truck 2 of 2; fp: two ground pixels.
  close(scores.categoryIiou?.vehicle, (4.5 + 3 + 10) / (4.5 + 3 + 10 + (1.5 + 3 + 0) + 2));
});

test('Cityscapes: every class with instances has an average size, and only human and vehicle have a category iIoU', () => {
  const things = cityscapesClasses.names.filter((_, i) => cityscapesClasses.hasInstances[i]);
  assert.deepEqual(things.toSorted(), Object.keys(cityscapesInstanceSizes).toSorted());
  const counter = new InstanceCounter(
    things.map((name) => ({
      trainId: cityscapesClasses.names.indexOf(name),
      raw: cityscapesClasses.toRaw[cityscapesClasses.names.indexOf(name)],
      averageSize: cityscapesInstanceSizes[name],
    })),
    cityscapesClasses.categories,
  );
  assert.deepEqual([...counter.categories.keys()], ['human', 'vehicle']);
});

test('pixels predicted as none of the classes are missed, and nobody’s false positives', () => {
  const confusion = new ConfusionMatrix(2);
  confusion.add(Uint8Array.of(0, 0, 0, 1, 1, 255), Uint8Array.of(0, 255, 1, 1, 255, 255));
  // As cityscapesScripts: class 0 has tp 1, fn 2 (one of them void), fp 0; class 1 tp 1, fn 1, fp 1.
  assert.deepEqual(scoresOf(confusion).classIou, [1 / 3, 1 / 3]);
  assert.equal(confusion.total, 5);
  assert.equal(confusion.ignored, 1);
  assert.equal(scoresOf(confusion).pixelAccuracy, 2 / 5);
});

test('outputs of a model among the classes of a data set: by name, without those that are ignored', () => {
  const data = { names: ['road', 'car', 'sky'] };
  assert.equal(outputsFor(data, data, 'data'), undefined);
  const outputs = outputsFor({ names: ['other', 'sky', 'road', 'car'], ignored: [0] }, data, 'data')!;
  assert.deepEqual([...outputs.subarray(0, 5)], [255, 2, 0, 1, 255]);
  const numbered = outputsFor({ names: ['a', 'b', 'c', 'rest'], ignored: [3] }, data, 'data')!;
  assert.deepEqual([...numbered.subarray(0, 4)], [0, 1, 2, 255]);
  assert.throws(
    () => outputsFor({ names: ['a', 'b', 'c', 'd'] }, data, 'data'),
    /data: has 3 classes but the model has 4;/,
  );
});
