import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import { sizeOf } from '../../src/ir/value.js';
import { adamHyper } from '../../src/ops/adam.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import { convLength } from '../../src/ops/conv.js';
import type { KernelName } from '../../src/ops/index.js';
import { windowShape } from '../../src/ops/maxpool.js';
import { readsResult } from '../../src/ops/pointwise/expression.js';
import type { KernelFunction, PointwiseName } from '../../src/ops/pointwise/table.js';
import { kernelFunctions, pointwise, pointwiseNames } from '../../src/ops/pointwise/table.js';
import type { Tensor } from './harness.js';
import { randomBytes, randomTensor, tensor } from './harness.js';
import { lossCases } from './lossCases.js';
import type { Case } from './shapes.js';
import { activation, between, image, maybe, vector } from './shapes.js';

/** `scale` and `shift` come together, the slope on its own. */
function prologue(rng: Rng, channels: number) {
  const moved = rng.chance(0.5);
  return {
    preScale: moved ? randomTensor(rng, vector(channels), 0.5, 2) : undefined,
    preShift: moved ? randomTensor(rng, vector(channels)) : undefined,
    preSlope: maybe(rng, () => randomTensor(rng, vector(channels), 0, 0.5)),
  };
}

/** A random convolution whose output is not empty. */
function convolution(rng: Rng) {
  for (;;) {
    const groups = rng.pick([1, 1, 2, 3]);
    const kernel = [rng.pick([1, 3, 3, 5]), rng.pick([1, 2, 3, 3])] as const;
    const x = image(rng, groups * between(rng, 1, 6));
    const attrs: ConvAttrs = {
      stride: [between(rng, 1, 2), between(rng, 1, 3)],
      padding: [rng.int(3), rng.int(3)],
      dilation: [between(rng, 1, 3), between(rng, 1, 2)],
      groups,
    };
    const length = (axis: 0 | 1) =>
      convLength(x[1 + axis], kernel[axis], attrs.stride[axis], attrs.padding[axis], attrs.dilation[axis]);
    const weight: Shape = [...kernel, x[3] / groups, groups * between(rng, 1, 6)];
    const y: Shape = [x[0], length(0), length(1), weight[3]];
    if (y[1] > 0 && y[2] > 0) return { attrs, kernel, x, weight, y };
  }
}

/** The network's input: bytes, normalised while they are read. */
function photo(rng: Rng, shape: Shape): { x: Tensor; normalize: ConvAttrs['normalize'] } {
  const channels = Array.from({ length: shape[3] });
  const normalize = { mean: channels.map(() => rng.next()), std: channels.map(() => rng.range(0.2, 0.3)) };
  return { x: randomBytes(rng, shape), normalize };
}

function pyramid(rng: Rng) {
  const attrs = { kernels: rng.pick([[3], [3, 5, 7], [1, 5]]), stride: between(rng, 1, 2) };
  const x = image(rng);
  const length = (n: number) => convLength(n, 1, attrs.stride, 0, 1);
  return { attrs, x, y: [x[0], length(x[1]), length(x[2]), x[3]] as Shape };
}

function stats(rng: Rng, channels: number, eps: number): Tensor {
  const variance = Array.from({ length: channels }, () => rng.range(0.1, 2));
  return tensor(
    [1, 1, 3, channels],
    [...variance.map(() => rng.range(-1, 1)), ...variance, ...variance.map((v) => 1 / Math.sqrt(v + eps))],
  );
}

const gateOf = ([n, , , c]: Shape): Shape => [n, 1, 1, c];

/** A max pooling with an index that points into the image. */
function windows(rng: Rng) {
  const kernel = between(rng, 1, 4);
  const attrs = { kernel, stride: between(rng, 1, 3), padding: rng.int(Math.min(kernel, 3)) };
  const x = image(rng);
  const y = windowShape(x, attrs.stride);
  const inside = (place: number, length: number) => place >= 0 && place < length;
  const places = Array.from({ length: sizeOf(y) }, (_, i) => {
    const pixel = Math.floor(i / y[3]);
    const top = (Math.floor(pixel / y[2]) % y[1]) * attrs.stride - attrs.padding;
    const left = (pixel % y[2]) * attrs.stride - attrs.padding;
    const possible = Array.from({ length: kernel * kernel }, (_, k) => k).filter(
      (k) => inside(top + Math.floor(k / kernel), x[1]) && inside(left + (k % kernel), x[2]),
    );
    return rng.pick(possible);
  });
  return { attrs, x, y, index: tensor(y, places, Uint8Array) };
}

/** A call of every function of the pointwise table and of its gradient. */
const pointwiseCases = Object.fromEntries<unknown>([
  ...kernelFunctions.map((name) => [
    name,
    (rng: Rng) => ({ inputs: { x: randomTensor(rng, image(rng), -9, 9) }, attrs: {} }),
  ]),
  ...pointwiseNames.map((name) => [
    `${name}Grad`,
    (rng: Rng) => {
      const shape = image(rng);
      const from = readsResult(pointwise[name].gradient)
        ? { y: randomTensor(rng, shape) }
        : { x: randomTensor(rng, shape, -9, 9) };
      return { inputs: { ...from, gy: randomTensor(rng, shape) }, attrs: {} };
    },
  ]),
] as [string, unknown][]) as {
  readonly [K in KernelFunction | `${PointwiseName}Grad`]: (rng: Rng) => Case<K>;
};

/** A random call of every kernel, small enough for the reference; the compiler says which are missing. */
export const randomCase: { readonly [K in KernelName]: (rng: Rng) => Case<K> } = {
  conv2d(rng) {
    const { attrs, x, weight, y } = convolution(rng);
    const fromPhoto = rng.chance(0.25) ? photo(rng, x) : undefined;
    const inputs = {
      x: fromPhoto?.x ?? randomTensor(rng, x),
      ...(fromPhoto ? {} : prologue(rng, x[3])),
      weight: randomTensor(rng, weight),
      bias: maybe(rng, () => randomTensor(rng, vector(y[3]))),
      slope: maybe(rng, () => randomTensor(rng, vector(y[3]), 0, 0.5)),
      residual: maybe(rng, () => randomTensor(rng, y)),
    };
    const all = { ...attrs, ...activation(rng) };
    return { inputs, attrs: fromPhoto ? { ...all, normalize: fromPhoto.normalize } : all };
  },
  conv2dGradInput(rng) {
    const { attrs, x, weight, y } = convolution(rng);
    const inputs = {
      ...{ gy: randomTensor(rng, y), weight: randomTensor(rng, weight) },
      bias: maybe(rng, () => randomTensor(rng, vector(x[3]))),
      slope: maybe(rng, () => randomTensor(rng, vector(x[3]), 0, 0.5)),
      acc: maybe(rng, () => randomTensor(rng, x)),
    };
    return { inputs, attrs: { ...attrs, height: x[1], width: x[2] } };
  },
  conv2dGradWeight(rng) {
    const { attrs, kernel, x, y } = convolution(rng);
    const fromPhoto = rng.chance(0.25) ? photo(rng, x) : undefined;
    const inputs = {
      x: fromPhoto?.x ?? randomTensor(rng, x),
      ...(fromPhoto ? {} : prologue(rng, x[3])),
      gy: randomTensor(rng, y),
    };
    return { inputs, attrs: { ...attrs, kernel, ...(fromPhoto ? { normalize: fromPhoto.normalize } : {}) } };
  },
  sumPixels: (rng) => ({ inputs: { x: randomTensor(rng, image(rng)) }, attrs: {} }),
  scaleWeight(rng) {
    const { weight } = convolution(rng);
    const of = rng.pick(['outputs', 'inputs'] as const);
    const scale = randomTensor(rng, vector(weight[of === 'inputs' ? 2 : 3]));
    return { inputs: { weight: randomTensor(rng, weight), scale }, attrs: { of } };
  },
  prelu(rng) {
    const x = image(rng);
    return {
      inputs: { x: randomTensor(rng, x), slope: randomTensor(rng, vector(x[3]), -0.5, 0.5) },
      attrs: {},
    };
  },
  preluGrad(rng) {
    const x = image(rng);
    const slope = randomTensor(rng, vector(x[3]), -0.5, 0.5);
    return { inputs: { x: randomTensor(rng, x), slope, gy: randomTensor(rng, x) }, attrs: {} };
  },
  batchStats: (rng) => ({ inputs: { x: randomTensor(rng, image(rng), -1, 3) }, attrs: { eps: 1e-5 } }),
  runningStats(rng) {
    const channels = between(rng, 1, 9);
    const inputs = {
      stats: stats(rng, channels, 1e-5),
      mean: randomTensor(rng, vector(channels)),
      variance: randomTensor(rng, vector(channels), 0.5, 2),
    };
    return { inputs, attrs: { momentum: rng.range(0.05, 0.5), count: between(rng, 2, 50) } };
  },
  batchNormGrad(rng) {
    const x = image(rng);
    const inputs = {
      x: randomTensor(rng, x),
      stats: stats(rng, x[3], 1e-5),
      gamma: randomTensor(rng, vector(x[3]), 0.5, 2),
      beta: randomTensor(rng, vector(x[3])),
      slope: maybe(rng, () => randomTensor(rng, vector(x[3]), 0, 0.5)),
      gy: randomTensor(rng, x),
    };
    return { inputs, attrs: {} };
  },
  normCoefficients(rng) {
    const channels = between(rng, 1, 9);
    const inputs = {
      stats: stats(rng, channels, 1e-5),
      gamma: randomTensor(rng, vector(channels), 0.5, 2),
      beta: randomTensor(rng, vector(channels)),
    };
    return { inputs, attrs: {} };
  },
  foldCoefficients(rng) {
    const shape = vector(between(rng, 1, 9));
    const inputs = {
      gamma: randomTensor(rng, shape, 0.5, 2),
      beta: randomTensor(rng, shape),
      mean: randomTensor(rng, shape),
      variance: randomTensor(rng, shape, 0.5, 2),
    };
    return { inputs, attrs: { eps: 1e-5 } };
  },
  affine(rng) {
    const x = image(rng);
    const inputs = {
      x: randomTensor(rng, x),
      scale: randomTensor(rng, vector(x[3]), 0.5, 2),
      shift: randomTensor(rng, vector(x[3])),
      slope: maybe(rng, () => randomTensor(rng, vector(x[3]), 0, 0.5)),
      added: maybe(rng, () => randomTensor(rng, x)),
      residual: maybe(rng, () => randomTensor(rng, x)),
    };
    return { inputs, attrs: { sign: rng.pick([1, -1]) } };
  },
  pyramidPool(rng) {
    const { attrs, x } = pyramid(rng);
    const moved = rng.chance(0.5);
    const inputs = {
      x: randomTensor(rng, x),
      ...prologue(rng, x[3]),
      scale: moved ? randomTensor(rng, vector(x[3]), 0.5, 2) : undefined,
      shift: moved ? randomTensor(rng, vector(x[3])) : undefined,
      slope: maybe(rng, () => randomTensor(rng, vector(x[3]), 0, 0.5)),
    };
    return { inputs, attrs };
  },
  pyramidPoolGrad(rng) {
    const { attrs, x, y } = pyramid(rng);
    const acc = maybe(rng, () => randomTensor(rng, x));
    return { inputs: { gy: randomTensor(rng, y), acc }, attrs: { ...attrs, height: x[1], width: x[2] } };
  },
  resizeBilinear(rng) {
    const attrs = { height: between(rng, 1, 20), width: between(rng, 1, 20), alignCorners: rng.chance(0.5) };
    const shape = image(rng);
    if (rng.chance(0.6)) return { inputs: { x: randomTensor(rng, shape) }, attrs };
    const { x, normalize } = photo(rng, rng.chance(0.5) ? [shape[0], shape[1], shape[2], 3] : shape);
    return { inputs: { x }, attrs: { ...attrs, normalize } };
  },
  resizeBilinearGrad: (rng) => ({
    inputs: { gy: randomTensor(rng, image(rng)) },
    attrs: { height: between(rng, 1, 20), width: between(rng, 1, 20), alignCorners: rng.chance(0.5) },
  }),
  resizeArgmax: (rng) => {
    const x = image(rng);
    const same = rng.chance(0.3);
    const [height, width] = same ? [x[1], x[2]] : [between(rng, 1, 20), between(rng, 1, 20)];
    return { inputs: { x: randomTensor(rng, x) }, attrs: { height, width, alignCorners: rng.chance(0.5) } };
  },
  weightPart(rng) {
    const weight: Shape = [between(rng, 1, 3), between(rng, 1, 3), between(rng, 1, 9), between(rng, 1, 9)];
    const ranges: [number, number][] = [];
    for (let at = rng.int(weight[2]); at < weight[2]; at += rng.int(3)) {
      const count = between(rng, 1, weight[2] - at);
      ranges.push([at, count]);
      at += count;
    }
    return { inputs: { weight: randomTensor(rng, weight) }, attrs: { ranges, apart: rng.chance(0.5) } };
  },
  upsampleTaps(rng) {
    const [kernel, padding] = [
      [rng.pick([1, 3, 5]), rng.pick([1, 2, 3])],
      [rng.int(3), rng.int(3)],
    ] as const;
    const dilation = [between(rng, 1, 3), between(rng, 1, 2)] as const;
    const [height, width] = [between(rng, 13, 24), between(rng, 9, 20)];
    const channels = rng.pick([between(rng, 1, 9), 8, 12, 16]);
    const [n, h, w] = image(rng);
    const [rows, columns] = [height, width].map((size, i) =>
      convLength(size, kernel[i], 1, padding[i], dilation[i]),
    );
    const attrs = { kernel, padding, dilation, height, width, alignCorners: rng.chance(0.5) };
    const inputs = {
      x: randomTensor(rng, [n, h, w, kernel[0] * kernel[1] * channels]),
      sum: maybe(rng, () => randomTensor(rng, [n, rows, columns, channels])),
    };
    return { inputs, attrs };
  },
  ...lossCases,
  copy(rng) {
    const x = image(rng);
    return { inputs: { x: rng.chance(0.5) ? randomTensor(rng, x) : randomBytes(rng, x) }, attrs: {} };
  },
  add(rng) {
    const shape = image(rng);
    return {
      inputs: { a: randomTensor(rng, shape), b: randomTensor(rng, shape) },
      attrs: { sign: rng.pick([1, -1]) },
    };
  },
  scale: (rng) => ({ inputs: { x: randomTensor(rng, image(rng)) }, attrs: { factor: rng.range(-2, 2) } }),
  rescale: (rng) => ({
    inputs: { x: randomTensor(rng, image(rng)), factor: tensor(vector(1), [rng.range(1, 2 ** 16)]) },
    attrs: { invert: rng.chance(0.5) },
  }),
  adam(rng) {
    const shape = vector(between(rng, 1, 100));
    const hyper = new Float32Array(8);
    hyper[adamHyper.learningRate] = 5e-4;
    hyper[adamHyper.beta1] = 0.9;
    hyper[adamHyper.beta2] = 0.999;
    hyper[adamHyper.eps] = 1e-8;
    hyper[adamHyper.weightDecay] = rng.pick([0, 1e-4]);
    hyper[adamHyper.decoupledDecay] = rng.pick([0, 1e-2]);
    const step = between(rng, 1, 20);
    hyper[adamHyper.correction1] = 1 - 0.9 ** step;
    hyper[adamHyper.correction2] = 1 - 0.999 ** step;
    const inputs = {
      param: randomTensor(rng, shape),
      grad: randomTensor(rng, shape, -0.1, 0.1),
      m: randomTensor(rng, shape, -0.1, 0.1),
      v: randomTensor(rng, shape, 0, 0.01),
      hyper: { shape: vector(8), data: hyper },
    };
    return { inputs, attrs: {} };
  },
  guard(rng) {
    const shape = vector(between(rng, 1, 100));
    const length = rng.pick([1, 4, 8]);
    const grad = randomTensor(rng, shape);
    if (rng.chance(0.3)) grad.data[between(rng, 0, grad.data.length - 1)] = rng.pick([Infinity, -Infinity]);
    const hyper = randomTensor(rng, vector(length));
    return { inputs: { grad, hyper }, attrs: { still: Array.from({ length }, (_, i) => i) } };
  },
  sgd(rng) {
    const shape = vector(between(rng, 1, 100));
    const hyper = Float32Array.of(rng.range(1e-4, 1), rng.pick([0, 0.9]), rng.pick([0, 1e-2]), 0);
    const operands = { param: 1, grad: 0.1, velocity: 0.5 };
    const inputs = Object.fromEntries(
      Object.entries(operands).map(([name, size]) => [name, randomTensor(rng, shape, -size, size)]),
    ) as Record<keyof typeof operands, Tensor>;
    return { inputs: { ...inputs, hyper: { shape: vector(4), data: hyper } }, attrs: {} };
  },
  average(rng) {
    const shape = vector(between(rng, 1, 100));
    const decay = tensor(vector(1), [rng.pick([0, 0.1, 0.999])]);
    return { inputs: { x: randomTensor(rng, shape), average: randomTensor(rng, shape), decay }, attrs: {} };
  },
  ...pointwiseCases,
  multiply(rng) {
    const shape = image(rng);
    const b = rng.pick([shape, gateOf(shape)]);
    return { inputs: { a: randomTensor(rng, shape), b: randomTensor(rng, b) }, attrs: {} };
  },
  multiplySum(rng) {
    const shape = image(rng, between(rng, 1, 40));
    return { inputs: { a: randomTensor(rng, shape), b: randomTensor(rng, shape) }, attrs: {} };
  },
  maxPool(rng) {
    const { attrs, x } = windows(rng);
    return { inputs: { x: randomTensor(rng, x) }, attrs };
  },
  maxUnpool(rng) {
    const { attrs, x, y, index } = windows(rng);
    return {
      inputs: { x: randomTensor(rng, y), index },
      attrs: { ...attrs, height: x[1], width: x[2] },
    };
  },
  maxGather(rng) {
    const { attrs, x, index } = windows(rng);
    return { inputs: { gy: randomTensor(rng, x), index }, attrs };
  },
  adaptivePool(rng) {
    const x = image(rng, between(rng, 1, 40));
    const attrs = { height: between(rng, 1, x[1]), width: between(rng, 1, x[2]) };
    return { inputs: { x: randomTensor(rng, x) }, attrs };
  },
  adaptivePoolGrad(rng) {
    const gx = image(rng);
    const gy: Shape = [gx[0], between(rng, 1, gx[1]), between(rng, 1, gx[2]), gx[3]];
    return { inputs: { gy: randomTensor(rng, gy) }, attrs: { height: gx[1], width: gx[2] } };
  },
  countStep: (rng) => ({ inputs: { counter: tensor(vector(1), [rng.int(1000)]) }, attrs: {} }),
  dropoutMask(rng) {
    const attrs = {
      rate: rng.range(0, 0.9),
      seed: rng.int(2 ** 31),
      shape: gateOf(image(rng, between(rng, 1, 100))),
    };
    return { inputs: { step: tensor(vector(1), [rng.int(2 ** 24)]) }, attrs };
  },
  fill: (rng) => ({ inputs: {}, attrs: { shape: image(rng), value: rng.range(-1, 1) } }),
  normalizeImage(rng) {
    const { x, normalize } = photo(rng, image(rng));
    return { inputs: { x }, attrs: normalize! };
  },
};

/** All kernels, for tests that walk over them. */
export const kernelNames = Object.keys(randomCase) as KernelName[];
