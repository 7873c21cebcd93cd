import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import { sizeOf } from '../../src/ir/value.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import { convLength } from '../../src/ops/conv.js';
import { ops } from '../../src/ops/index.js';
import { kernelFunctions } from '../../src/ops/pointwise/table.js';
import type { Tensor } from '../backends/harness.js';
import { randomBytes, randomTensor, runOp, seededRandom, tensor, testSeed } from '../backends/harness.js';
import { withoutEdges } from '../backends/lovaszEdges.js';
import { checkGradients, step } from './tape.js';

const seed = testSeed(3);
const label = `seed ${seed}`;
const vector = (channels: number): Shape => [1, 1, 1, channels];
const tested = new Set<string>();

/** One test per op or small composition; the last test counts that no rule was forgotten. */
function gradientTest(op: keyof typeof ops, title: string, body: (rng: Rng) => Promise<void>): void {
  tested.add(op);
  test(`${op}: ${title}`, () => body(seededRandom(seed)));
}

/** Magnitudes in [0.1, 1), so that no element is near the kink of a PReLU. */
function awayFromZero(rng: Rng, shape: Shape): Tensor {
  const { data } = randomTensor(rng, shape, 0.1, 1);
  return tensor(
    shape,
    Float64Array.from(data, (value) => (rng.chance(0.5) ? value : -value)),
    Float64Array,
  );
}

const geometries: [string, Shape, Shape, ConvAttrs][] = [
  [
    '3×3 with padding',
    [2, 4, 5, 2],
    [3, 3, 2, 3],
    { stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1 },
  ],
  [
    '3×3 strided 2 by 3',
    [1, 6, 7, 2],
    [3, 3, 2, 2],
    { stride: [2, 3], padding: [1, 0], dilation: [1, 1], groups: 1 },
  ],
  [
    '3×1 dilated',
    [2, 6, 3, 2],
    [3, 1, 2, 2],
    { stride: [1, 1], padding: [2, 0], dilation: [2, 1], groups: 1 },
  ],
  [
    '1×3 dilated wider than the image',
    [1, 3, 4, 2],
    [1, 3, 2, 2],
    { stride: [1, 1], padding: [0, 8], dilation: [1, 8], groups: 1 },
  ],
  [
    'two groups, strided and dilated',
    [1, 5, 7, 4],
    [2, 3, 2, 6],
    { stride: [2, 1], padding: [1, 2], dilation: [2, 2], groups: 2 },
  ],
  ['pointwise', [2, 3, 3, 4], [1, 1, 4, 5], { stride: [2, 2], padding: [0, 0], dilation: [1, 1], groups: 1 }],
];
for (const [title, xShape, weightShape, attrs] of geometries) {
  gradientTest('conv2d', title, async (rng) => {
    const leaves = {
      x: randomTensor(rng, xShape),
      weight: randomTensor(rng, weightShape),
      bias: randomTensor(rng, vector(weightShape[3])),
    };
    await checkGradients({ rng, label, leaves, build: (emit, inputs) => [emit('conv2d', inputs, attrs).y] });
  });
}

gradientTest('conv2d', 'of a normalised u8 image: weight and bias, nothing for the image', async (rng) => {
  const leaves = {
    x: randomBytes(rng, [1, 5, 4, 3]),
    weight: randomTensor(rng, [3, 3, 3, 2]),
    bias: randomTensor(rng, vector(2)),
  };
  const attrs: ConvAttrs = {
    ...{ stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 1 },
    normalize: { mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25] },
  };
  await checkGradients({ rng, label, leaves, build: (emit, inputs) => [emit('conv2d', inputs, attrs).y] });
});

gradientTest('prelu', 'input and slope', async (rng) => {
  const leaves = { x: awayFromZero(rng, [2, 3, 3, 4]), slope: randomTensor(rng, vector(4), -0.5, 0.5) };
  await checkGradients({ rng, label, leaves, build: (emit, inputs) => [emit('prelu', inputs, {}).y] });
});

/** Normalised values of a random batch, drawn again until none is near the kink of the PReLU after it. */
async function batchAwayFromKinks(rng: Rng, shape: Shape) {
  for (let attempt = 0; attempt < 100; attempt++) {
    const x = randomTensor(rng, shape);
    const gamma = randomTensor(rng, vector(shape[3]), 0.5, 2);
    const beta = randomTensor(rng, vector(shape[3]), -0.5, 0.5);
    const { stats } = await runOp(referenceBackend, 'batchStats', { x }, { eps: 1e-5 });
    const coefficients = await runOp(referenceBackend, 'normCoefficients', { stats, gamma, beta }, {});
    const { y } = await runOp(referenceBackend, 'affine', { x, ...coefficients }, { sign: 1 });
    if (y.data.every((z) => Math.abs(z) > 100 * step)) return { x, gamma, beta };
  }
  throw new Error('no batch away from the kinks found');
}

for (const withSlope of [false, true]) {
  gradientTest(
    'batchNorm',
    `through the statistics, ${withSlope ? 'with' : 'without'} slope`,
    async (rng) => {
      const { x, gamma, beta } = await batchAwayFromKinks(rng, [2, 3, 4, 3]);
      const slope: Record<string, Tensor> = withSlope ? { slope: randomTensor(rng, vector(3), 0, 0.5) } : {};
      await checkGradients({
        ...{ rng, label },
        leaves: { x, gamma, beta, ...slope },
        build: (emit, inputs) => {
          const { stats } = emit('batchStats', { x: inputs.x }, { eps: 1e-5 });
          return [emit('batchNorm', { ...inputs, stats }, {}).y];
        },
      });
    },
  );
}

for (const [kernels, stride] of [
  [[3, 5, 7], 2],
  [[3], 1],
  [[1, 5], 3],
] as [number[], number][]) {
  gradientTest('pyramidPool', `windows ${kernels}, stride ${stride}`, async (rng) => {
    const leaves = { x: randomTensor(rng, [2, 5, 6, 2]) };
    const build = { kernels, stride };
    await checkGradients({ rng, label, leaves, build: (emit, x) => [emit('pyramidPool', x, build).y] });
  });
}

for (const [height, width] of [
  [8, 12],
  [7, 10],
  [2, 1],
  [3, 9],
]) {
  for (const alignCorners of [false, true]) {
    const title = `3×4 to ${height}×${width}${alignCorners ? ', corners aligned' : ''}`;
    gradientTest('resizeBilinear', title, async (rng) => {
      const leaves = { x: randomTensor(rng, [2, 3, 4, 2]) };
      await checkGradients({
        ...{ rng, label, leaves },
        build: (emit, x) => [emit('resizeBilinear', x, { height, width, alignCorners }).y],
      });
    });
  }
}

for (const labelSmoothing of [0, 0.1]) {
  for (const weighted of [false, true]) {
    const title = `smoothing ${labelSmoothing}, ${weighted ? 'class weights' : 'no class weights'}, ignored pixels`;
    gradientTest('crossEntropy', title, async (rng) => {
      const labels = randomBytes(rng, [2, 7, 9, 1], 4, 255);
      const classWeights = weighted ? randomTensor(rng, vector(4), 0.5, 3) : undefined;
      const leaves = { logits: randomTensor(rng, [2, 3, 3, 4], -3, 3) };
      const constants = { labels, ...(classWeights ? { classWeights } : {}) };
      await checkGradients({
        // The rule starts differentiation: the functional is the mean loss itself.
        ...{ rng, label, leaves, constants, fixed: [[1, 0]] },
        build: (emit, { logits }, { labels, classWeights }) => {
          const inputs = { logits, labels, classWeights };
          return [emit('crossEntropy', inputs, { ignore: 255, labelSmoothing }).loss];
        },
      });
    });
  }
}

for (const [op, attrs] of [
  ['focal', { gamma: 0, radius: 1, boundary: 2 }],
  ['focal', { gamma: 2, radius: 0, boundary: 0 }],
  ['focal', { gamma: 1.3, radius: 2, boundary: 0.7 }],
  ['dice', {}],
  ['lovasz', {}],
] as const) {
  gradientTest(op, `${JSON.stringify(attrs)}, ignored pixels`, async (rng) => {
    const labels = randomBytes(rng, [2, 7, 9, 1], 4, 255);
    const leaves = { logits: randomTensor(rng, [2, 3, 3, 5], -3, 3) };
    // Between two bins the loss of sorted errors has a step.
    if (op === 'lovasz') withoutEdges({ labels, logits: leaves.logits }, false);
    await checkGradients({
      ...{ rng, label, leaves, constants: { labels }, fixed: [[1, 0]] },
      build: (emit, { logits }, { labels }) => {
        const inputs = { logits, labels };
        if (op === 'focal') return [emit(op, inputs, { ignore: 255, ...attrs }).loss];
        return [emit(op, inputs, { ignore: 255 }).loss];
      },
    });
  });
}

gradientTest('concat', 'three parts, one of them read twice', async (rng) => {
  const leaves = { a: randomTensor(rng, [2, 2, 3, 2]), b: randomTensor(rng, [2, 2, 3, 3]) };
  await checkGradients({
    ...{ rng, label, leaves },
    build: (emit, { a, b }) => [emit('concat', { x0: a, x1: b, x2: a }, {}).y],
  });
});

gradientTest('split', 'into unequal parts', async (rng) => {
  const leaves = { x: randomTensor(rng, [2, 2, 3, 6]) };
  await checkGradients({
    ...{ rng, label, leaves },
    build: (emit, x) => Object.values(emit('split', x, { sizes: [1, 3, 2] })),
  });
});

for (const sign of [1, -1] as const) {
  gradientTest('add', `sign ${sign}`, async (rng) => {
    const leaves = { a: randomTensor(rng, [2, 2, 3, 2]), b: randomTensor(rng, [2, 2, 3, 2]) };
    await checkGradients({ rng, label, leaves, build: (emit, inputs) => [emit('add', inputs, { sign }).y] });
  });
}

gradientTest('add', 'of a value to itself', async (rng) => {
  const leaves = { a: randomTensor(rng, [1, 2, 3, 2]) };
  await checkGradients({
    ...{ rng, label, leaves },
    build: (emit, { a }) => [emit('add', { a, b: a }, { sign: 1 }).y],
  });
});

gradientTest('scale', 'by a negative factor', async (rng) => {
  const leaves = { x: randomTensor(rng, [2, 2, 3, 2]) };
  await checkGradients({ rng, label, leaves, build: (emit, x) => [emit('scale', x, { factor: -1.7 }).y] });
});

for (const [title, , weightShape, attrs] of geometries) {
  gradientTest('conv2dGradInput', `the transposed convolution, ${title}`, async (rng) => {
    const size = { height: 6, width: 7 };
    const length = (axis: 0 | 1) =>
      convLength(
        axis === 0 ? size.height : size.width,
        weightShape[axis],
        attrs.stride[axis],
        attrs.padding[axis],
        attrs.dilation[axis],
      );
    const leaves = {
      gy: randomTensor(rng, [2, length(0), length(1), weightShape[3]]),
      weight: randomTensor(rng, weightShape),
      bias: randomTensor(rng, vector(weightShape[2] * attrs.groups)),
      acc: randomTensor(rng, [2, size.height, size.width, weightShape[2] * attrs.groups]),
    };
    await checkGradients({
      ...{ rng, label, leaves },
      build: (emit, inputs) => [emit('conv2dGradInput', inputs, { ...attrs, ...size }).gx],
    });
  });
}

gradientTest('relu', 'away from its kink', async (rng) => {
  const leaves = { x: awayFromZero(rng, [2, 3, 3, 4]) };
  const constants = { zero: tensor(vector(4), [0, 0, 0, 0]) };
  await checkGradients({
    ...{ rng, label, leaves, constants },
    build: (emit, { x }, { zero }) => [emit('relu', { x, zero }, {}).y],
  });
});

for (const name of kernelFunctions)
  gradientTest(name, 'every element', async (rng) => {
    const leaves = { x: randomTensor(rng, [2, 3, 3, 4], -4, 4) };
    await checkGradients({ rng, label, leaves, build: (emit, inputs) => [emit(name, inputs, {}).y] });
  });

for (const b of [
  [2, 3, 4, 5],
  [2, 1, 1, 5],
] as Shape[]) {
  gradientTest('multiply', `by a factor of ${b.join('×')}`, async (rng) => {
    const leaves = { a: randomTensor(rng, [2, 3, 4, 5]), b: randomTensor(rng, b) };
    await checkGradients({ rng, label, leaves, build: (emit, inputs) => [emit('multiply', inputs, {}).y] });
  });
}

/** Values no two of which are nearer than the step of the differences, so that no maximum changes its place. */
function distinct(rng: Rng, shape: Shape): Tensor {
  const order = Array.from({ length: sizeOf(shape) }, (_, i) => i);
  for (let i = order.length - 1; i > 0; i--) {
    const j = rng.int(i + 1);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return tensor(
    shape,
    order.map((value) => value / order.length - 0.5),
    Float64Array,
  );
}

for (const [kernel, stride, padding] of [
  [2, 2, 0],
  [3, 2, 1],
  [3, 1, 1],
]) {
  const attrs = { kernel, stride, padding };
  gradientTest('maxPool', `${kernel}×${kernel}, stride ${stride}, odd and even sizes`, async (rng) => {
    const leaves = { x: distinct(rng, [2, 5, 6, 3]) };
    await checkGradients({ rng, label, leaves, build: (emit, x) => [emit('maxPool', x, attrs).y] });
  });
  gradientTest('maxUnpool', `${kernel}×${kernel}, stride ${stride}`, async (rng) => {
    const image = { x: distinct(rng, [2, 5, 6, 3]) };
    const { index } = await runOp(referenceBackend, 'maxPool', image, attrs);
    const leaves = { x: randomTensor(rng, index.shape) };
    await checkGradients({
      ...{ rng, label, leaves, constants: { index } },
      build: (emit, { x }, { index: places }) => [
        emit('maxUnpool', { x, index: places }, { ...attrs, height: 5, width: 6 }).y,
      ],
    });
  });
}

for (const [height, width] of [
  [1, 1],
  [2, 3],
  [5, 4],
]) {
  gradientTest('adaptivePool', `5×7 to ${height}×${width}`, async (rng) => {
    const leaves = { x: randomTensor(rng, [2, 5, 7, 3]) };
    await checkGradients({
      ...{ rng, label, leaves },
      build: (emit, x) => [emit('adaptivePool', x, { height, width }).y],
    });
  });
}

test('every op with a gradient rule has a test here', () => {
  const differentiable = Object.entries(ops)
    .filter(([, definition]) => 'gradient' in definition)
    .map(([name]) => name);
  assert.deepEqual([...tested].sort(), differentiable.sort());
});
