import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import type { KernelName } from '../../src/ops/index.js';
import { readsResult } from '../../src/ops/pointwise/expression.js';
import type { KernelFunction, PointwiseName } from '../../src/ops/pointwise/table.js';
import { kernelFunctions, pointwise, pointwiseNames } from '../../src/ops/pointwise/table.js';
import type { Tensor } from './harness.js';
import { randomBytes, randomTensor } from './harness.js';
import { withoutEdges } from './lovaszEdges.js';
import type { Case } from './shapes.js';

type Draw<K extends KernelName> = (rng: Rng, x: Shape) => Case<K>;

/** Widths of the network and of nothing in particular; sizes that are multiples of nothing. */
const shapes: readonly Shape[] = [
  [2, 73, 91, 8],
  [1, 37, 61, 19],
  [2, 29, 43, 76],
  [1, 45, 31, 33],
];

const vector = (rng: Rng, x: Shape, low = -1, high = 1): Tensor =>
  randomTensor(rng, [1, 1, 1, x[3]], low, high);

/** Rows mean, variance, 1/√variance, of no data in particular. */
function stats(rng: Rng, [, , , channels]: Shape): Tensor {
  const data = Float32Array.from({ length: 3 * channels }, () => rng.range(0.5, 1.5));
  for (let c = 0; c < channels; c++) data[2 * channels + c] = 1 / Math.sqrt(data[channels + c]);
  return { shape: [1, 1, 3, channels], data };
}

const pyramid = { kernels: [3, 5, 7], stride: 2 };
const half = ([n, h, w, c]: Shape): Shape => [n, Math.ceil(h / 2), Math.ceil(w / 2), c];

/** Every function of the pointwise table and its gradient. */
const pointwiseDraws = Object.fromEntries<unknown>([
  ...kernelFunctions.map((name) => [
    name,
    (rng: Rng, x: Shape) => ({ inputs: { x: randomTensor(rng, x, -9, 9) }, attrs: {} }),
  ]),
  ...pointwiseNames.map((name) => {
    const from = readsResult(pointwise[name].gradient) ? 'y' : 'x';
    return [
      `${name}Grad`,
      (rng: Rng, x: Shape) => ({
        inputs: { [from]: randomTensor(rng, x), gy: randomTensor(rng, x) },
        attrs: {},
      }),
    ];
  }),
] as [string, unknown][]) as { readonly [K in KernelFunction | `${PointwiseName}Grad`]: Draw<K> };

const draws: { readonly [K in KernelName]?: Draw<K> } = {
  ...pointwiseDraws,
  sumPixels: (rng, x) => ({ inputs: { x: randomTensor(rng, x, -1, 2) }, attrs: {} }),
  prelu: (rng, x) => ({ inputs: { x: randomTensor(rng, x), slope: vector(rng, x) }, attrs: {} }),
  preluGrad: (rng, x) => ({
    inputs: { x: randomTensor(rng, x), slope: vector(rng, x), gy: randomTensor(rng, x) },
    attrs: {},
  }),
  // A mean a hundred times the deviation: sums of squares would cancel.
  batchStats: (rng, x) => ({ inputs: { x: randomTensor(rng, x, 99, 101) }, attrs: { eps: 1e-5 } }),
  batchNormGrad: (rng, x) => ({
    inputs: {
      ...{ x: randomTensor(rng, x), stats: stats(rng, x), gy: randomTensor(rng, x) },
      ...{ gamma: vector(rng, x, 0.5, 2), beta: vector(rng, x) },
      slope: rng.chance(0.5) ? vector(rng, x) : undefined,
    },
    attrs: {},
  }),
  affine: (rng, x) => ({
    inputs: {
      ...{ x: randomTensor(rng, x), scale: vector(rng, x), shift: vector(rng, x) },
      slope: rng.chance(0.5) ? vector(rng, x) : undefined,
      added: rng.chance(0.5) ? randomTensor(rng, x) : undefined,
      residual: rng.chance(0.5) ? randomTensor(rng, x) : undefined,
    },
    attrs: { sign: -1 },
  }),
  adaptivePool: (rng, x) => ({ inputs: { x: randomTensor(rng, x) }, attrs: { height: 2, width: 3 } }),
  pyramidPool: (rng, x) => ({
    inputs: {
      ...{ x: randomTensor(rng, x), preScale: vector(rng, x), preShift: vector(rng, x) },
      ...{ preSlope: vector(rng, x), scale: vector(rng, x), shift: vector(rng, x), slope: vector(rng, x) },
    },
    attrs: pyramid,
  }),
  pyramidPoolGrad: (rng, x) => ({
    inputs: { gy: randomTensor(rng, half(x)), acc: rng.chance(0.5) ? randomTensor(rng, x) : undefined },
    attrs: { ...pyramid, height: x[1], width: x[2] },
  }),
  resizeBilinear: (rng, x) => ({
    inputs: { x: randomTensor(rng, half(x)) },
    attrs: { height: 2 * x[1] + 3, width: 3 * x[2] - 1 },
  }),
  resizeBilinearGrad: (rng, x) => ({
    inputs: { gy: randomTensor(rng, x) },
    attrs: { height: half(x)[1], width: half(x)[2] },
  }),
  resizeArgmax: (rng, x) => ({
    inputs: { x: randomTensor(rng, half(x)) },
    attrs: { height: 4 * x[1], width: 4 * x[2] - 3 },
  }),
  crossEntropy: (rng, x) => ({
    inputs: {
      logits: randomTensor(rng, half(x), -8, 8),
      labels: randomBytes(rng, [x[0], 4 * x[1] - 1, 4 * x[2], 1], x[3], 255),
      classWeights: vector(rng, x, 0.5, 3),
    },
    attrs: { ignore: 255, labelSmoothing: rng.pick([0, 0.1]) },
  }),
  focal: (rng, x) => ({
    inputs: {
      logits: randomTensor(rng, half(x), -8, 8),
      labels: randomBytes(rng, [x[0], 4 * x[1] - 1, 4 * x[2], 1], x[3], 255),
      classWeights: vector(rng, x, 0.5, 3),
    },
    attrs: { ignore: 255, gamma: rng.pick([0, 2, 1.5]), radius: rng.pick([0, 2]), boundary: 3 },
  }),
  dice: (rng, x) => ({
    inputs: {
      logits: randomTensor(rng, half(x), -8, 8),
      labels: randomBytes(rng, [x[0], 4 * x[1] - 1, 4 * x[2], 1], x[3], 255),
    },
    attrs: { ignore: 255 },
  }),
  lovasz(rng, x) {
    const inputs = {
      logits: randomTensor(rng, half(x), -8, 8),
      labels: randomBytes(rng, [x[0], 4 * x[1] - 1, 4 * x[2], 1], x[3], 255),
    };
    withoutEdges(inputs, false);
    return { inputs, attrs: { ignore: 255 } };
  },
  hardLabels: (rng, x) => ({
    inputs: {
      logits: randomTensor(rng, half(x), -8, 8),
      labels: randomBytes(rng, [x[0], 4 * x[1] - 1, 4 * x[2], 1], x[3], 255),
    },
    attrs: { ignore: 255, threshold: 0.3, least: rng.pick([0.02, 0.9]) },
  }),
  copy: (rng, x) => ({ inputs: { x: randomTensor(rng, x) }, attrs: {} }),
  add: (rng, x) => ({ inputs: { a: randomTensor(rng, x), b: randomTensor(rng, x) }, attrs: { sign: -1 } }),
  scale: (rng, x) => ({ inputs: { x: randomTensor(rng, x) }, attrs: { factor: 3 } }),
  sgd(rng, x) {
    const shape: Shape = [1, 1, 1, x[0] * x[1] * x[2] + 2];
    const [param, grad, velocity] = [0, 1, 2].map(() => randomTensor(rng, shape));
    const hyper = { shape: [1, 1, 1, 4] as const, data: Float32Array.of(0.1, 0.9, 0.01, 0) };
    return { inputs: { param, grad, velocity, hyper }, attrs: {} };
  },
  average(rng, x) {
    const shape: Shape = [1, 1, 1, x[0] * x[1] * x[2] + 2];
    const decay = { shape: [1, 1, 1, 1] as const, data: Float32Array.of(0.99) };
    return { inputs: { x: randomTensor(rng, shape), average: randomTensor(rng, shape), decay }, attrs: {} };
  },
  adam(rng, x) {
    const shape: Shape = [1, 1, 1, x[0] * x[1] * x[2] + 2];
    const hyper = Float32Array.of(1e-3, 0.9, 0.999, 1e-8, 1e-4, 0.01, 0.2, 0.01);
    return {
      inputs: {
        ...{ param: randomTensor(rng, shape), grad: randomTensor(rng, shape), m: randomTensor(rng, shape) },
        ...{ v: randomTensor(rng, shape, 0, 1), hyper: { shape: [1, 1, 1, 8], data: hyper } },
      },
      attrs: {},
    };
  },
};

/** Calls with enough pixels and channels for several chunks and for every loop of a SIMD kernel. */
export function wideCases<K extends KernelName>(op: K, rng: Rng): Case<K>[] {
  const draw = draws[op];
  return draw ? shapes.map((shape) => draw(rng, shape)) : [];
}
