import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Shape } from '../../src/ir/value.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import type { AttrsOf, InputsOf, KernelName } from '../../src/ops/index.js';
import type { Tensor, Tensors } from './harness.js';
import { assertClose, randomBytes, randomTensor, runOp, seededRandom, tensor, testSeed } from './harness.js';

const seed = testSeed(2);
const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
const exact = (shape: Shape, values: readonly number[]): Tensor => tensor(shape, values, Float64Array);
const vector = (...values: number[]): Tensor => exact([1, 1, 1, values.length], values);
const run = <K extends KernelName>(op: K, inputs: Tensors<InputsOf<K>>, attrs: AttrsOf<K>) =>
  runOp(referenceBackend, op, inputs, attrs);
const conv = (changes: Partial<ConvAttrs> = {}): ConvAttrs => ({
  stride: [1, 1],
  padding: [0, 0],
  dilation: [1, 1],
  groups: 1,
  ...changes,
});
const tolerance = { relative: 1e-12, label: 'known values' };

test('conv2d: the examples of the ONNX operator documentation', async () => {
  const x = exact([1, 5, 5, 1], range(0, 24));
  const weight = exact([3, 3, 1, 1], Array(9).fill(1));
  const same = await run('conv2d', { x, weight }, conv({ padding: [1, 1] }));
  assertClose(
    same.y.data,
    [
      ...[12, 21, 27, 33, 24],
      ...[33, 54, 63, 72, 51],
      ...[63, 99, 108, 117, 81],
      ...[93, 144, 153, 162, 111],
      ...[72, 111, 117, 123, 84],
    ],
    tolerance,
  );
  const valid = await run('conv2d', { x, weight }, conv());
  assertClose(valid.y.data, [54, 63, 72, 99, 108, 117, 144, 153, 162], tolerance);
  const strided = await run(
    'conv2d',
    { x: exact([1, 7, 5, 1], range(0, 34)), weight },
    conv({ stride: [2, 2], padding: [1, 1] }),
  );
  assertClose(strided.y.data, [12, 27, 24, 63, 108, 81, 123, 198, 141, 112, 177, 124], tolerance);
  const padded = await run(
    'conv2d',
    { x: exact([1, 7, 5, 1], range(0, 34)), weight },
    conv({ stride: [2, 2], padding: [1, 0] }),
  );
  assertClose(padded.y.data, [21, 33, 99, 117, 189, 207, 171, 183], tolerance);
});

test('conv2d is cross-correlation: weights are not flipped, channels are summed', async () => {
  const single = await run(
    'conv2d',
    { x: exact([1, 3, 3, 1], range(1, 9)), weight: exact([2, 2, 1, 1], [1, 2, 3, 4]), bias: vector(10) },
    conv(),
  );
  assertClose(single.y.data, [47, 57, 77, 87], tolerance);
  // Pixel (1, 2, 3) times the columns of [[1, 2], [3, 4], [5, 6]].
  const pointwise = await run(
    'conv2d',
    { x: vector(1, 2, 3), weight: exact([1, 1, 3, 2], range(1, 6)) },
    conv(),
  );
  assertClose(pointwise.y.data, [22, 28], tolerance);
});

test('conv2d: strides subsample, dilation spreads the kernel, groups are separate convolutions', async () => {
  const rng = seededRandom(seed);
  const label = `seed ${seed}`;
  const x = randomTensor(rng, [2, 7, 8, 4]);
  const weight = randomTensor(rng, [3, 3, 4, 5]);
  const full = await run('conv2d', { x, weight }, conv({ padding: [2, 1], dilation: [2, 1] }));
  const strided = await run(
    'conv2d',
    { x, weight },
    conv({ padding: [2, 1], dilation: [2, 1], stride: [2, 3] }),
  );
  const [n, h, w, c] = strided.y.shape;
  const picked = [];
  for (let i = 0; i < n * h * w * c; i++) {
    const [image, row, column] = [
      Math.floor(i / (h * w * c)),
      Math.floor(i / (w * c)) % h,
      Math.floor(i / c) % w,
    ];
    picked.push(
      full.y.data[((image * full.y.shape[1] + 2 * row) * full.y.shape[2] + 3 * column) * c + (i % c)],
    );
  }
  assertClose(strided.y.data, picked, { relative: 1e-12, label });

  // Rows of zeros between the rows of the kernel.
  const spread = new Float64Array(5 * 3 * 4 * 5);
  for (let ky = 0; ky < 3; ky++) spread.set(weight.data.subarray(ky * 60, ky * 60 + 60), 2 * ky * 60);
  const stuffed = await run(
    'conv2d',
    { x, weight: { shape: [5, 3, 4, 5], data: spread } },
    conv({ padding: [2, 1] }),
  );
  assertClose(full.y.data, stuffed.y.data, { relative: 1e-12, label });

  const grouped = await run(
    'conv2d',
    { x, weight: randomTensor(seededRandom(seed), [3, 3, 2, 6]) },
    conv({ groups: 2 }),
  );
  const kernel = randomTensor(seededRandom(seed), [3, 3, 2, 6]);
  const channels = (t: Tensor, from: number, to: number): Tensor => ({
    shape: [t.shape[0], t.shape[1], t.shape[2], to - from],
    data: Float64Array.from(t.data.filter((_, i) => i % t.shape[3] >= from && i % t.shape[3] < to)),
  });
  for (const group of [0, 1]) {
    const part = await run(
      'conv2d',
      { x: channels(x, 2 * group, 2 * group + 2), weight: channels(kernel, 3 * group, 3 * group + 3) },
      conv(),
    );
    assertClose(channels(grouped.y, 3 * group, 3 * group + 3).data, part.y.data, { relative: 1e-12, label });
  }
});

test('conv2d: a u8 image is normalised, and padding is zero after that', async () => {
  const rng = seededRandom(seed);
  const x = randomBytes(rng, [1, 4, 5, 3]);
  const weight = randomTensor(rng, [3, 3, 3, 2]);
  const mean = [0.485, 0.456, 0.406];
  const std = [0.229, 0.224, 0.225];
  const normalized = Float64Array.from(x.data, (value, i) => (value / 255 - mean[i % 3]) / std[i % 3]);
  const attrs = conv({ padding: [1, 1] });
  const fromBytes = await run('conv2d', { x, weight }, { ...attrs, normalize: { mean, std } });
  const fromFloats = await run('conv2d', { x: { shape: x.shape, data: normalized }, weight }, attrs);
  assertClose(fromBytes.y.data, fromFloats.y.data, { relative: 1e-12, label: `seed ${seed}` });
});

test('sumPixels, scaleWeight, add, scale, copy, prelu by hand', async () => {
  const x = exact([2, 1, 2, 2], [1, -2, 3, -4, 5, -6, 7, -8]);
  assertClose((await run('sumPixels', { x }, {})).sum.data, [16, -20], tolerance);
  const weight = exact([1, 2, 1, 2], [1, 2, 3, 4]);
  assertClose(
    (await run('scaleWeight', { weight, scale: vector(10, 100) }, { of: 'outputs' })).y.data,
    [10, 200, 30, 400],
    tolerance,
  );
  assertClose(
    (await run('scaleWeight', { weight, scale: vector(10) }, { of: 'inputs' })).y.data,
    [10, 20, 30, 40],
    tolerance,
  );
  const a = vector(1, 2, 3);
  const b = vector(10, 20, 40);
  assertClose((await run('add', { a, b }, { sign: 1 })).y.data, [11, 22, 43], tolerance);
  assertClose((await run('add', { a, b }, { sign: -1 })).y.data, [-9, -18, -37], tolerance);
  assertClose((await run('scale', { x: a }, { factor: -2 })).y.data, [-2, -4, -6], tolerance);
  assert.deepEqual((await run('copy', { x: a }, {})).y.data, a.data);
  const slope = vector(0.25, 0.5);
  assertClose((await run('prelu', { x, slope }, {})).y.data, [1, -1, 3, -2, 5, -3, 7, -4], tolerance);
  const gy = exact([2, 1, 2, 2], [1, 10, 2, 20, 3, 30, 4, 40]);
  const { gx, gslope } = await run('preluGrad', { x, slope, gy }, {});
  assertClose(gx.data, [1, 5, 2, 10, 3, 15, 4, 20], tolerance);
  assertClose(gslope.data, [0, -2 * 10 - 4 * 20 - 6 * 30 - 8 * 40], tolerance);
});

test('batchStats and runningStats: biased variance to normalise, unbiased to remember', async () => {
  const x = exact([2, 2, 1, 2], [1, 0, 2, 0, 3, 0, 4, 8]);
  const { stats } = await run('batchStats', { x }, { eps: 0.75 });
  assertClose(stats.data, [2.5, 2, 1.25, 12, 1 / Math.sqrt(2), 1 / Math.sqrt(12.75)], tolerance);
  const { newMean, newVariance } = await run(
    'runningStats',
    { stats, mean: vector(0, 10), variance: vector(1, 1) },
    { momentum: 0.1, count: 4 },
  );
  assertClose(newMean.data, [0.25, 9.2], tolerance);
  assertClose(newVariance.data, [0.9 + 0.1 * (5 / 3), 0.9 + 0.1 * 16], tolerance);
});

test('normalisation by coefficients, from batch and from running statistics', async () => {
  const gamma = vector(2, 3);
  const beta = vector(1, -1);
  const stats = exact([1, 1, 3, 2], [5, -4, 0.25, 4, 2, 0.5]);
  const fromBatch = await run('normCoefficients', { stats, gamma, beta }, {});
  assertClose(fromBatch.scale.data, [4, 1.5], tolerance);
  assertClose(fromBatch.shift.data, [-19, 5], tolerance);
  const folded = await run(
    'foldCoefficients',
    { gamma, beta, mean: vector(5, -4), variance: vector(0.24, 3.99) },
    { eps: 0.01 },
  );
  assertClose(folded.scale.data, [4, 1.5], tolerance);
  assertClose(folded.shift.data, [-19, 5], tolerance);
  const x = exact([1, 1, 2, 2], [5, -4, 1, -8]);
  const coefficients = { x, scale: folded.scale, shift: folded.shift };
  assertClose((await run('affine', coefficients, { sign: 1 })).y.data, [1, -1, -15, -7], tolerance);
  const slope = vector(0.1, 0.5);
  const residual = exact([1, 1, 2, 2], [100, 100, 100, 100]);
  const { y } = await run('affine', { ...coefficients, slope, residual }, { sign: -1 });
  assertClose(y.data, [99, 100.5, 101.5, 103.5], tolerance);
});

test('pyramidPool: averages count the padding (ONNX example), and levels add up', async () => {
  const x = exact([1, 5, 5, 1], range(1, 25));
  const level5 = [
    ...[2.52, 3.6, 4.8, 4.08, 3.24],
    ...[4.56, 6.4, 8.4, 7.04, 5.52],
    ...[7.2, 10, 13, 10.8, 8.4],
    ...[6.96, 9.6, 12.4, 10.24, 7.92],
    ...[6.12, 8.4, 10.8, 8.88, 6.84],
  ];
  assertClose((await run('pyramidPool', { x }, { kernels: [5], stride: 1 })).y.data, level5, tolerance);
  const { y } = await run('pyramidPool', { x }, { kernels: [1, 5], stride: 2 });
  const picked = [0, 2, 4, 10, 12, 14, 20, 22, 24];
  assert.deepEqual(y.shape, [1, 3, 3, 1]);
  assertClose(
    y.data,
    picked.map((i) => level5[i] + i + 1),
    tolerance,
  );
});

test('resizeBilinear: the ONNX example of doubling, and halving by hand', async () => {
  const doubled = await run(
    'resizeBilinear',
    { x: exact([1, 2, 2, 1], [1, 2, 3, 4]) },
    { height: 4, width: 4 },
  );
  assertClose(
    doubled.y.data,
    [...[1, 1.25, 1.75, 2], ...[1.5, 1.75, 2.25, 2.5], ...[2.5, 2.75, 3.25, 3.5], ...[3, 3.25, 3.75, 4]],
    tolerance,
  );
  // Five to two samples at 0.75 and 3.25; three to three is the identity.
  const x = exact([1, 3, 5, 1], [0, 1, 2, 3, 4, 10, 11, 12, 13, 14, 20, 21, 22, 23, 24]);
  const smaller = await run('resizeBilinear', { x }, { height: 3, width: 2 });
  assertClose(smaller.y.data, [0.75, 3.25, 10.75, 13.25, 20.75, 23.25], tolerance);
});

test('resizeArgmax: the class of the resized logits, the first on ties', async () => {
  // Class 0 falls and class 1 rises from left to right; they meet in the middle of three columns.
  const x = exact([1, 1, 2, 3], [1, 0, -5, 0, 1, -5]);
  const { labels } = await run('resizeArgmax', { x }, { height: 2, width: 3 });
  assert.deepEqual([...labels.data], [0, 0, 1, 0, 0, 1]);
  assert.ok(labels.data instanceof Uint8Array);
});

test('adam: two steps by hand', async () => {
  const hyperAt = (step: number, weightDecay: number, decoupledDecay: number) =>
    vector(0.1, 0.9, 0.999, 1e-8, weightDecay, decoupledDecay, 1 - 0.9 ** step, 1 - 0.999 ** step);
  const start = { param: vector(1), m: vector(0), v: vector(0) };
  const one = await run('adam', { ...start, grad: vector(0.5), hyper: hyperAt(1, 0, 0) }, {});
  // The first step is lr·sign(g) but for eps.
  assertClose(one.newParam.data, [1 - 0.1 / (1 + 2e-8)], tolerance);
  assertClose(one.newM.data, [0.05], tolerance);
  assertClose(one.newV.data, [0.00025], tolerance);
  const two = await run(
    'adam',
    { param: one.newParam, m: one.newM, v: one.newV, grad: vector(-0.25), hyper: hyperAt(2, 0, 0) },
    {},
  );
  assertClose(two.newM.data, [0.02], tolerance);
  assertClose(two.newV.data, [0.00031225], tolerance);
  // m̂ = 0.02/0.19 = 0.105263158, v̂ = 0.00031225/0.001999 = 0.156203102, √v̂ = 0.395225382.
  assertClose(two.newParam.data, [0.9 - 0.1 * (0.105263158 / 0.395225382)], { ...tolerance, relative: 1e-8 });
  const decayed = await run('adam', { ...start, grad: vector(0.5), hyper: hyperAt(1, 0.5, 0) }, {});
  assertClose(decayed.newM.data, [0.1], tolerance);
  const decoupled = await run('adam', { ...start, grad: vector(0.5), hyper: hyperAt(1, 0, 0.2) }, {});
  assertClose(decoupled.newParam.data, [0.98 - 0.1 / (1 + 2e-8)], tolerance);
  assertClose(decoupled.newM.data, [0.05], tolerance);
});
