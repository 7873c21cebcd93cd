import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWasmBackend, wasmBackend } from '../../src/backends/wasm/index.js';
import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import { convLength } from '../../src/ops/conv.js';
import type { Layout, Tensor, View } from './harness.js';
import { assertParity, randomBytes, randomTensor, runOp, seededRandom, testSeed } from './harness.js';
import { activation } from './shapes.js';

const seed = testSeed(11);
const relative = 1e-5;
/** Starting threads takes most of the time here; that their number does not matter is a test of its own. */
const options = { threads: 1 };

/** Kernel, stride, dilation, groups and channels of a convolution, and whether its padding keeps the size. */
interface Case {
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  readonly cin: number;
  readonly cout: number;
  /** Default: `⌊d·(k − 1) / 2⌋`. */
  readonly padding?: readonly [number, number];
  readonly size?: readonly [number, number];
}

const widths = [1, 3, 5, 8, 19, 32, 56, 76, 88];

const fixed: Case[] = [
  ...(
    [
      [3, 1],
      [1, 3],
    ] as const
  ).flatMap((kernel): Case[] =>
    [1, 2, 3, 4, 5, 7, 8, 12, 16].map((dilation, i) => {
      const c = [32, 76, 20, 16, 19][i % 5];
      return {
        kernel,
        dilation,
        cin: c,
        cout: c,
        size: kernel[0] === 3 ? [23 + i, 7 + 5 * i] : [5 + i, 11 + 7 * i],
      };
    }),
  ),
  { kernel: [3, 3], stride: 2, cin: 3, cout: 8 },
  { kernel: [3, 3], cin: 8, cout: 8, size: [7, 600] },
  { kernel: [1, 1], stride: 2, cin: 8, cout: 56 },
  { kernel: [1, 1], stride: 2, cin: 64, cout: 88 },
  { kernel: [1, 1], cin: 152, cout: 19 },
  // Weights that do not stay in a cache: inputs and outputs in parts.
  { kernel: [1, 1], cin: 523, cout: 266, size: [2, 13] },
  { kernel: [1, 1], cin: 260, cout: 520, stride: 2, size: [3, 11] },
  // More than 128 inputs whose weights are near, of an odd number of eights, and far.
  { kernel: [1, 1], cin: 200, cout: 40, size: [5, 11] },
  { kernel: [1, 1], cin: 200, cout: 200, size: [5, 11] },
  { kernel: [3, 3], stride: 2, cin: 36, cout: 40 },
  { kernel: [1, 1], cin: 13, cout: 30, stride: 2, size: [5, 55] },
  { kernel: [1, 1], cin: 31, cout: 40, size: [3, 26] },
  { kernel: [1, 1], cin: 6, cout: 16, size: [3, 29] },
  { kernel: [1, 1], cin: 8, cout: 3, size: [3, 28] },
  { kernel: [3, 3], cin: 12, cout: 12, groups: 12 },
  { kernel: [3, 3], stride: 2, cin: 12, cout: 24, groups: 12, dilation: 2 },
  { kernel: [3, 1], cin: 20, cout: 20, groups: 4 },
  { kernel: [3, 1], cin: 16, cout: 20, dilation: 2, size: [9, 130] },
  { kernel: [3, 1], cin: 32, cout: 32, dilation: 2, size: [64, 75] },
  { kernel: [1, 3], cin: 32, cout: 32, dilation: 2, size: [64, 75] },
  { kernel: [1, 3], cin: 32, cout: 48, dilation: 40, size: [3, 9] },
  { kernel: [3, 1], cin: 32, cout: 20, dilation: 16, size: [5, 9] },
  { kernel: [3, 1], cin: 32, cout: 20, padding: [0, 0], size: [9, 5] },
  { kernel: [1, 3], cin: 17, cout: 33, padding: [0, 2], size: [9, 15] },
  { kernel: [1, 3], cin: 17, cout: 33, padding: [1, 1], size: [9, 15] },
  // Dilations of half a feature map: cut into parts that have some of the taps each.
  { kernel: [3, 1], cin: 76, cout: 76, dilation: 8, size: [16, 40] },
  { kernel: [1, 3], cin: 76, cout: 64, dilation: 16, size: [13, 32] },
  { kernel: [3, 3], cin: 64, cout: 64, dilation: 9, size: [17, 20] },
  { kernel: [3, 1], cin: 64, cout: 64, dilation: 16, size: [16, 30] },
  { kernel: [2, 4], cin: 5, cout: 7, padding: [1, 2] },
  { kernel: [7, 7], stride: 3, cin: 3, cout: 5, padding: [3, 4], size: [25, 31] },
  { kernel: [3, 3], cin: 6, cout: 4, padding: [4, 5] },
];

const randomCase = (rng: Rng): Case => {
  const groups = rng.chance(0.25) ? 1 + rng.int(4) : 1;
  const dilation = 1 + rng.int(16);
  const kernel = [1 + rng.int(3), 1 + rng.int(3)] as const;
  return {
    kernel,
    stride: rng.chance(0.3) ? 2 : 1,
    dilation,
    groups,
    cin: groups * (groups > 1 ? 1 + rng.int(9) : widths[rng.int(widths.length)]),
    cout: groups * (groups > 1 ? 1 + rng.int(9) : widths[rng.int(widths.length)]),
    size: [1 + rng.int(20), 1 + rng.int(40)],
  };
};

/** A view into wider pixels, half of the time. */
const view = (rng: Rng, channels: number): View => {
  const channelOffset = rng.chance(0.5) ? rng.int(9) : 0;
  return { pixelStride: channelOffset + channels + (rng.chance(0.5) ? rng.int(9) : 0), channelOffset };
};

function setUp(rng: Rng, c: Case) {
  const { kernel, stride = 1, dilation = 1, groups = 1, cin, cout } = c;
  const size = c.size ?? [9, 14];
  const padding =
    c.padding ?? ([0, 1] as const).map((axis) => Math.floor((dilation * (kernel[axis] - 1)) / 2));
  const attrs: ConvAttrs = {
    stride: [stride, stride],
    padding: [padding[0], padding[1]],
    dilation: [dilation, dilation],
    groups,
  };
  const x: Shape = [1 + rng.int(2), size[0], size[1], cin];
  const length = (axis: 0 | 1) => convLength(size[axis], kernel[axis], stride, padding[axis], dilation);
  const y: Shape = [x[0], length(0), length(1), cout];
  const weight: Shape = [kernel[0], kernel[1], cin / groups, cout];
  const vector = (channels: number): Tensor => randomTensor(rng, [1, 1, 1, channels]);
  return { attrs, x, y, weight, vector, label: `seed ${seed} ${JSON.stringify(c)}` };
}

const cases = (rng: Rng): Case[] =>
  [...fixed, ...Array.from({ length: 16 }, () => randomCase(rng))].filter((c) => {
    const [, h, w] = setUp(seededRandom(0), c).y;
    return h > 0 && w > 0;
  });

const prologueOf = (rng: Rng, channels: number, affine: boolean): Record<string, Tensor> => {
  const vector = () => randomTensor(rng, [1, 1, 1, channels]);
  return {
    ...(affine ? { preScale: vector(), preShift: vector() } : {}),
    ...(rng.chance(0.4) ? { preSlope: vector() } : {}),
  };
};

test('conv2d', async () => {
  const rng = seededRandom(seed);
  for (const c of cases(rng)) {
    const { attrs, x, y, weight, vector, label } = setUp(rng, c);
    const hasResidual = rng.chance(0.5);
    const views: Record<string, View> = { x: view(rng, c.cin), y: view(rng, c.cout) };
    if (hasResidual) views.residual = view(rng, c.cout);
    const layout: Layout = {
      options,
      views,
      ...(hasResidual && rng.chance(0.5) ? { inPlace: { y: 'residual' } } : {}),
    };
    const inputs = {
      x: randomTensor(rng, x),
      weight: randomTensor(rng, weight),
      ...prologueOf(rng, c.cin, rng.chance(0.2)),
      ...(rng.chance(0.5) ? { bias: vector(c.cout) } : {}),
      ...(rng.chance(0.5) ? { slope: vector(c.cout) } : {}),
      ...(hasResidual ? { residual: randomTensor(rng, y) } : {}),
    };
    const all = { ...attrs, ...activation(rng) };
    await assertParity(wasmBackend, 'conv2d', inputs, all, { relative, label, layout });
  }
});

test('conv2d and its weight gradient of a u8 image', async () => {
  const rng = seededRandom(seed);
  for (const cin of [3, 1, 4, 5]) {
    const { attrs, x, y, weight, vector, label } = setUp(rng, {
      kernel: [3, 3],
      stride: 2,
      cin,
      cout: 8,
      size: [31, 45],
    });
    const normalize = {
      mean: Array.from({ length: cin }, () => rng.range(0.3, 0.6)),
      std: Array.from({ length: cin }, () => rng.range(0.1, 0.3)),
    };
    const all = { ...attrs, normalize };
    const image = randomBytes(rng, x);
    const layout: Layout = { options, views: { x: { pixelStride: cin + 2, channelOffset: 1 } } };
    const inputs = { x: image, weight: randomTensor(rng, weight), slope: vector(8) };
    await assertParity(wasmBackend, 'conv2d', inputs, all, { relative, label, layout });
    const grads = { x: image, gy: randomTensor(rng, y), ...prologueOf(rng, cin, true) };
    await assertParity(
      wasmBackend,
      'conv2dGradWeight',
      grads,
      { ...all, kernel: [3, 3] },
      { relative, label, layout },
    );
  }
});

test('conv2d of an RGB image in bytes', async () => {
  const rng = seededRandom(seed);
  const normalize = { mean: [0.3, 0.4, 0.5], std: [0.2, 0.25, 0.3] };
  const drawn = (): Case => {
    const kernel = [1 + rng.int(7), 1 + rng.int(7)] as const;
    return {
      ...{ kernel, stride: 1 + rng.int(3), cin: 3, cout: 1 + rng.int(50) },
      padding: [rng.int(kernel[0]), rng.int(kernel[1])],
      size: [7 + rng.int(9), 7 + rng.int(150)],
    };
  };
  for (const c of [
    { kernel: [7, 7], stride: 2, cin: 3, cout: 64, size: [9, 203] },
    { kernel: [3, 3], stride: 2, cin: 3, cout: 13, size: [9, 101] },
    { kernel: [3, 3], cin: 3, cout: 8, size: [6, 55] },
    ...Array.from({ length: 12 }, drawn),
  ] satisfies Case[]) {
    const { attrs, x, y, weight, vector, label } = setUp(rng, c);
    const hasResidual = rng.chance(0.1);
    const inputs = {
      ...{ x: randomBytes(rng, x), weight: randomTensor(rng, weight) },
      ...(rng.chance(0.5) ? { bias: vector(c.cout) } : {}),
      ...(rng.chance(0.5) ? { slope: vector(c.cout) } : {}),
      ...(hasResidual ? { residual: randomTensor(rng, y) } : {}),
    };
    const layout: Layout = { options, views: { y: view(rng, c.cout) } };
    const all = { ...attrs, normalize, ...activation(rng) };
    await assertParity(wasmBackend, 'conv2d', inputs, all, { relative, label, layout });
  }
});

test('conv2dGradInput', async () => {
  const rng = seededRandom(seed);
  for (const c of cases(rng)) {
    const { attrs, x, y, weight, vector, label } = setUp(rng, c);
    const hasAcc = rng.chance(0.5);
    const views: Record<string, View> = { gy: view(rng, c.cout), gx: view(rng, c.cin) };
    if (hasAcc) views.acc = view(rng, c.cin);
    const layout: Layout = {
      options,
      views,
      ...(hasAcc && rng.chance(0.5) ? { inPlace: { gx: 'acc' } } : {}),
    };
    const inputs = {
      gy: randomTensor(rng, y),
      weight: randomTensor(rng, weight),
      ...(rng.chance(0.3) ? { bias: vector(c.cin) } : {}),
      ...(rng.chance(0.3) ? { slope: vector(c.cin) } : {}),
      ...(hasAcc ? { acc: randomTensor(rng, x) } : {}),
    };
    const all = { ...attrs, height: x[1], width: x[2] };
    await assertParity(wasmBackend, 'conv2dGradInput', inputs, all, { relative, label, layout });
  }
});

test('conv2dGradInput of windows that do not overlap, into pixels without gaps', async () => {
  const rng = seededRandom(seed);
  for (const acc of ['none', 'apart', 'in place'] as const) {
    for (const stride of [2, 3]) {
      const kernel = [stride, stride] as const;
      const size = [stride * 5, stride * 7] as const;
      const { attrs, x, y, weight, vector, label } = setUp(rng, {
        kernel,
        stride,
        cin: 19,
        cout: 13,
        padding: [0, 0],
        size,
      });
      const inputs = {
        gy: randomTensor(rng, y),
        weight: randomTensor(rng, weight),
        ...(rng.chance(0.5) ? { bias: vector(19) } : {}),
        ...(rng.chance(0.5) ? { slope: vector(19) } : {}),
        ...(acc === 'none' ? {} : { acc: randomTensor(rng, x) }),
      };
      const layout: Layout = { options, ...(acc === 'in place' ? { inPlace: { gx: 'acc' } } : {}) };
      const all = { ...attrs, height: x[1], width: x[2] };
      await assertParity(wasmBackend, 'conv2dGradInput', inputs, all, { relative, label, layout });
    }
  }
});

// `Builder` refuses them, a graph made by hand may have them: what is written is zeros and biases.
test('convolutions that read or write no channel', async () => {
  const rng = seededRandom(seed);
  for (const k of [1, 3]) {
    for (const [cin, cout] of [
      [0, 8],
      [8, 0],
    ] as const) {
      const { attrs, x, y, weight, label } = setUp(rng, { kernel: [k, k], cin, cout, size: [16, 17] });
      const tensors = {
        x: randomTensor(rng, x),
        gy: randomTensor(rng, y),
        weight: randomTensor(rng, weight),
      };
      const bias = randomTensor(rng, [1, 1, 1, cout]);
      const tolerance = { relative, label, layout: { options } };
      await assertParity(
        wasmBackend,
        'conv2d',
        { x: tensors.x, weight: tensors.weight, bias },
        attrs,
        tolerance,
      );
      const size = { height: x[1], width: x[2] };
      const { gy } = tensors;
      await assertParity(
        wasmBackend,
        'conv2dGradInput',
        { gy, weight: tensors.weight },
        { ...attrs, ...size },
        tolerance,
      );
    }
  }
});

test('conv2dGradWeight', async () => {
  const rng = seededRandom(seed);
  for (const c of cases(rng)) {
    const { attrs, x, y, label } = setUp(rng, c);
    const inputs = {
      x: randomTensor(rng, x),
      gy: randomTensor(rng, y),
      ...prologueOf(rng, c.cin, rng.chance(0.2)),
    };
    const layout: Layout = { options, views: { x: view(rng, c.cin), gy: view(rng, c.cout) } };
    const all = { ...attrs, kernel: c.kernel };
    await assertParity(wasmBackend, 'conv2dGradWeight', inputs, all, { relative, label, layout });
  }
});

test('the build without fused multiply-adds gives the same within rounding', async () => {
  const rng = seededRandom(seed);
  const plain = createWasmBackend('plain');
  for (const kernel of [
    [3, 1],
    [1, 3],
    [3, 3],
  ] as const) {
    const { attrs, x, y, weight, label } = setUp(rng, {
      kernel,
      cin: 20,
      cout: 20,
      size: [19, 23],
      dilation: 2,
    });
    const forward = { x: randomTensor(rng, x), weight: randomTensor(rng, weight) };
    await assertParity(plain, 'conv2d', forward, attrs, { relative, label });
    const backward = { x: forward.x, gy: randomTensor(rng, y) };
    await assertParity(plain, 'conv2dGradWeight', backward, { ...attrs, kernel }, { relative, label });
  }
});

test('results do not depend on the number of threads', async () => {
  const rng = seededRandom(seed);
  for (const kernel of [
    [3, 1],
    [1, 3],
    [3, 3],
  ] as const) {
    const { attrs, x, y } = setUp(rng, { kernel, cin: 32, cout: 32, size: [64, 96], dilation: 2 });
    const inputs = { x: randomTensor(rng, x), gy: randomTensor(rng, y) };
    const run = (threads: number) =>
      runOp(wasmBackend, 'conv2dGradWeight', inputs, { ...attrs, kernel }, { options: { threads } });
    const [one, three] = [await run(1), await run(3)];
    assert.deepEqual(one.gweight.data, three.gweight.data);
  }
  // Two-dimensional Winograd in one piece: each thread has a share of the outputs.
  const attrs = { stride: [1, 1], padding: [4, 4], dilation: [4, 4], groups: 1 } as const;
  const inputs = { x: randomTensor(rng, [1, 16, 32, 40]), weight: randomTensor(rng, [3, 3, 40, 200]) };
  const run = (threads: number) => runOp(wasmBackend, 'conv2d', inputs, attrs, { options: { threads } });
  const one = await run(1);
  for (const threads of [2, 3, 5])
    assert.deepEqual((await run(threads)).y.data, one.y.data, `${threads} threads`);
});
