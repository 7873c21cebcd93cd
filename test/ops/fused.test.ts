import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import type { AttrsOf, InputsOf, KernelName } from '../../src/ops/index.js';
import type { Tensor, Tensors } from '../backends/harness.js';
import { assertClose, randomTensor, runOp, seededRandom, testSeed } from '../backends/harness.js';

// What a kernel fuses equals the kernels it replaces, run one after the other.

const seed = testSeed(4);
const run = <K extends KernelName>(op: K, inputs: Tensors<InputsOf<K>>, attrs: AttrsOf<K>) =>
  runOp(referenceBackend, op, inputs, attrs);
const vector = (channels: number): Shape => [1, 1, 1, channels];
const same = (actual: Tensor, expected: Tensor, what: string): void =>
  assertClose(actual.data, expected.data, { relative: 1e-12, label: `seed ${seed}: ${what}` });
const sum = async (a: Tensor, b: Tensor): Promise<Tensor> => (await run('add', { a, b }, { sign: 1 })).y;

/** Scale, shift and slope per channel, and what they make of x. */
async function transform(rng: Rng, x: Tensor, withMap: boolean, withSlope: boolean) {
  const shape = vector(x.shape[3]);
  const scale = withMap ? randomTensor(rng, shape, -2, 2) : undefined;
  const shift = withMap ? randomTensor(rng, shape) : undefined;
  const slope = withSlope ? randomTensor(rng, shape, -0.5, 0.5) : undefined;
  let applied = x;
  if (scale && shift) applied = (await run('affine', { x, scale, shift }, { sign: 1 })).y;
  if (slope) applied = (await run('prelu', { x: applied, slope }, {})).y;
  return { scale, shift, slope, applied };
}

const combinations = [
  [true, false],
  [false, true],
  [true, true],
] as const;

const attrs: ConvAttrs = { stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 2 };

for (const [withMap, withSlope] of combinations) {
  const parts = [withMap ? 'scale and shift' : '', withSlope ? 'slope' : ''].filter(Boolean).join(', ');

  test(`prologue of conv2d, conv2dGradWeight and pyramidPool: ${parts}`, async () => {
    const rng = seededRandom(seed);
    const x = randomTensor(rng, [2, 5, 6, 4]);
    const weight = randomTensor(rng, [3, 3, 2, 6]);
    const { scale, shift, slope, applied } = await transform(rng, x, withMap, withSlope);
    const prologue = { preScale: scale, preShift: shift, preSlope: slope };

    const fused = await run('conv2d', { x, weight, ...prologue }, attrs);
    same(fused.y, (await run('conv2d', { x: applied, weight }, attrs)).y, 'conv2d');

    const gy = randomTensor(rng, fused.y.shape);
    const kernel = { ...attrs, kernel: [3, 3] } as const;
    const { gweight } = await run('conv2dGradWeight', { x, gy, ...prologue }, kernel);
    same(gweight, (await run('conv2dGradWeight', { x: applied, gy }, kernel)).gweight, 'conv2dGradWeight');

    const pyramid = { kernels: [3, 5], stride: 2 };
    const pooled = await run('pyramidPool', { x, ...prologue }, pyramid);
    same(pooled.y, (await run('pyramidPool', { x: applied }, pyramid)).y, 'pyramidPool');
  });

  test(`epilogue of pyramidPool: ${parts}`, async () => {
    const rng = seededRandom(seed);
    const x = randomTensor(rng, [2, 5, 6, 4]);
    const pyramid = { kernels: [3, 5], stride: 2 };
    const { y } = await run('pyramidPool', { x }, pyramid);
    const { scale, shift, slope, applied } = await transform(rng, y, withMap, withSlope);
    same((await run('pyramidPool', { x, scale, shift, slope }, pyramid)).y, applied, 'pyramidPool');
  });
}

test('epilogue of conv2d: bias, then slope, then residual', async () => {
  const rng = seededRandom(seed);
  const x = randomTensor(rng, [2, 5, 6, 4]);
  const weight = randomTensor(rng, [3, 3, 2, 6]);
  const bias = randomTensor(rng, vector(6));
  const slope = randomTensor(rng, vector(6), -0.5, 0.5);
  const plain = (await run('conv2d', { x, weight }, attrs)).y;
  const residual = randomTensor(rng, plain.shape);
  const ones: Tensor = { shape: vector(6), data: new Float32Array(6).fill(1) };
  const biased = (await run('affine', { x: plain, scale: ones, shift: bias }, { sign: 1 })).y;
  const activated = (await run('prelu', { x: biased, slope }, {})).y;
  same((await run('conv2d', { x, weight, bias }, attrs)).y, biased, 'bias');
  same((await run('conv2d', { x, weight, bias, slope }, attrs)).y, activated, 'bias and slope');
  const all = await run('conv2d', { x, weight, bias, slope, residual }, attrs);
  same(all.y, await sum(activated, residual), 'bias, slope and residual');
  const summed = (await run('prelu', { x: await sum(biased, residual), slope }, {})).y;
  const last = await run('conv2d', { x, weight, bias, slope, residual }, { ...attrs, activates: 'sum' });
  same(last.y, summed, 'bias, residual and slope');
  const noSlope = await run('conv2d', { x, weight, residual }, attrs);
  same(noSlope.y, await sum(plain, residual), 'residual');
});

test('epilogue of conv2dGradInput: bias, then slope, then what is added', async () => {
  const rng = seededRandom(seed);
  const size = { height: 5, width: 6 };
  const conv = { gy: randomTensor(rng, [2, 3, 6, 6]), weight: randomTensor(rng, [3, 3, 2, 6]) };
  const bias = randomTensor(rng, vector(4));
  const slope = randomTensor(rng, vector(4), -0.5, 0.5);
  const acc = randomTensor(rng, [2, 5, 6, 4]);
  const of = async (epilogue: { bias?: Tensor; slope?: Tensor; acc?: Tensor }) =>
    (await run('conv2dGradInput', { ...conv, ...epilogue }, { ...attrs, ...size })).gx;
  const ones: Tensor = { shape: vector(4), data: new Float32Array(4).fill(1) };
  const biased = (await run('affine', { x: await of({}), scale: ones, shift: bias }, { sign: 1 })).y;
  const activated = (await run('prelu', { x: biased, slope }, {})).y;
  same(await of({ bias }), biased, 'bias');
  same(await of({ bias, slope }), activated, 'bias and slope');
  same(await of({ bias, slope, acc }), await sum(activated, acc), 'bias, slope and what is added');
});

test('affine: what is added first, slope before the sign, residual last', async () => {
  const rng = seededRandom(seed);
  const x = randomTensor(rng, [2, 3, 4, 5]);
  const residual = randomTensor(rng, x.shape);
  const { scale, shift, slope, applied } = await transform(rng, x, true, true);
  const operands = { x, scale: scale!, shift: shift!, slope };
  const negated = (await run('scale', { x: applied }, { factor: -1 })).y;
  same((await run('affine', operands, { sign: 1 })).y, applied, 'slope');
  const added = randomTensor(rng, x.shape);
  const whole = (await run('affine', { ...operands, x: await sum(x, added) }, { sign: 1 })).y;
  same((await run('affine', { ...operands, added }, { sign: 1 })).y, whole, 'added');
  same((await run('affine', operands, { sign: -1 })).y, negated, 'sign −1');
  same((await run('affine', { ...operands, residual }, { sign: 1 })).y, await sum(residual, applied), 'sum');
  same(
    (await run('affine', { ...operands, residual }, { sign: -1 })).y,
    await sum(residual, negated),
    'difference',
  );
});

test('acc of conv2dGradInput and pyramidPoolGrad is added', async () => {
  const rng = seededRandom(seed);
  const acc = randomTensor(rng, [2, 5, 6, 4]);
  const size = { height: 5, width: 6 };
  const conv = { gy: randomTensor(rng, [2, 3, 6, 6]), weight: randomTensor(rng, [3, 3, 2, 6]) };
  const input = await run('conv2dGradInput', conv, { ...attrs, ...size });
  const withAcc = await run('conv2dGradInput', { ...conv, acc }, { ...attrs, ...size });
  same(withAcc.gx, await sum(input.gx, acc), 'conv2dGradInput');
  const gy = randomTensor(rng, [2, 3, 3, 4]);
  const pyramid = { kernels: [3, 7], stride: 2, ...size };
  const pooled = await run('pyramidPoolGrad', { gy }, pyramid);
  same((await run('pyramidPoolGrad', { gy, acc }, pyramid)).gx, await sum(pooled.gx, acc), 'pyramidPoolGrad');
});

test('batchNormGrad with a slope is preluGrad, then batchNormGrad without', async () => {
  const rng = seededRandom(seed);
  const x = randomTensor(rng, [2, 3, 4, 5]);
  const gy = randomTensor(rng, x.shape);
  const gamma = randomTensor(rng, vector(5), 0.5, 2);
  const beta = randomTensor(rng, vector(5));
  const slope = randomTensor(rng, vector(5), 0, 0.5);
  const { stats } = await run('batchStats', { x }, { eps: 1e-5 });
  const coefficients = await run('normCoefficients', { stats, gamma, beta }, {});
  const z = (await run('affine', { x, ...coefficients }, { sign: 1 })).y;
  const activation = await run('preluGrad', { x: z, slope, gy }, {});
  const norm = await run('batchNormGrad', { x, stats, gamma, beta, gy: activation.gx }, {});
  const fused = await run('batchNormGrad', { x, stats, gamma, beta, slope, gy }, {});
  for (const name of ['gx', 'ggamma', 'gbeta'] as const) same(fused[name], norm[name], name);
  same(fused.gslope, activation.gslope, 'gslope');
  same(norm.gslope, { shape: vector(5), data: new Float64Array(5) }, 'gslope without a slope');
});

test('a batch norm folded into the weight and bias of the convolution before it', async () => {
  const rng = seededRandom(seed);
  const x = randomTensor(rng, [2, 5, 6, 4]);
  const weight = randomTensor(rng, [3, 3, 2, 6]);
  const shape = vector(6);
  const running = {
    ...{ gamma: randomTensor(rng, shape, 0.5, 2), beta: randomTensor(rng, shape) },
    ...{ mean: randomTensor(rng, shape), variance: randomTensor(rng, shape, 0.5, 2) },
  };
  const { scale, shift } = await run('foldCoefficients', running, { eps: 1e-5 });
  const folded = (await run('scaleWeight', { weight, scale }, { of: 'outputs' })).y;
  const one = await run('conv2d', { x, weight: folded, bias: shift }, attrs);
  const y = (await run('conv2d', { x, weight }, attrs)).y;
  same(one.y, (await run('affine', { x: y, scale, shift }, { sign: 1 })).y, 'folded');
});

test('a batch norm folded into the weight and bias of the transposed convolution before it', async () => {
  const rng = seededRandom(seed);
  const gy = randomTensor(rng, [2, 3, 3, 6]);
  const weight = randomTensor(rng, [2, 2, 4, 6]);
  const [scale, shift] = [randomTensor(rng, vector(4), 0.5, 2), randomTensor(rng, vector(4))];
  const geometry = {
    stride: [2, 2],
    padding: [0, 0],
    dilation: [1, 1],
    groups: 1,
    height: 6,
    width: 6,
  } as const;
  const folded = (await run('scaleWeight', { weight, scale }, { of: 'inputs' })).y;
  const one = (await run('conv2dGradInput', { gy, weight: folded, bias: shift }, geometry)).gx;
  const x = (await run('conv2dGradInput', { gy, weight }, geometry)).gx;
  same(one, (await run('affine', { x, scale, shift }, { sign: 1 })).y, 'folded');
});

test('taps before an upsampling: a convolution of the upsampled map', async () => {
  const rng = seededRandom(seed);
  for (const alignCorners of [false, true]) {
    const x = randomTensor(rng, [2, 2, 3, 5]);
    const weight = randomTensor(rng, [3, 2, 9, 4]);
    const [padding, dilation] = [[2, 1] as const, [2, 1] as const];
    const geometry: ConvAttrs = { stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1 };
    const upsampling = { height: 11, width: 8, alignCorners };
    const part = (apart: boolean) =>
      run(
        'weightPart',
        { weight },
        {
          ranges: [
            [3, 2],
            [6, 3],
          ],
          apart,
        },
      );
    const taps = (await run('conv2d', { x, weight: (await part(true)).y }, geometry)).y;
    const window = { kernel: [3, 2] as const, padding, dilation, ...upsampling };
    const first = (await run('upsampleTaps', { x: taps }, window)).y;
    const after = (await run('resizeBilinear', { x }, upsampling)).y;
    const convolved = { ...geometry, padding, dilation };
    const expected = (await run('conv2d', { x: after, weight: (await part(false)).y }, convolved)).y;
    same(first, expected, `taps, corners ${alignCorners}`);
    const added = randomTensor(rng, expected.shape);
    const summed = (await run('upsampleTaps', { x: taps, sum: added }, window)).y;
    same(summed, await sum(expected, added), 'sum');
  }
});
