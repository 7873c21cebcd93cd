/** 3×3 convolutions as two-dimensional Winograd: strips, borders, ragged channels, prologue and epilogue. */
import { test } from 'node:test';
import { createWasmBackend, wasmBackend } from '../../src/backends/wasm/index.js';
import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import { assertParity, randomTensor, seededRandom, testSeed } from './harness.js';
import { activation } from './shapes.js';

const seed = testSeed(23);
const relative = 1e-5;
const backends = [wasmBackend, createWasmBackend('plain')];

interface Case {
  readonly cin: number;
  readonly cout: number;
  readonly size: readonly [number, number];
  readonly padding?: readonly [number, number];
  /** Padded by as much. */
  readonly dilation?: readonly [number, number];
}

const cases = (rng: Rng): Case[] => [
  // Three strips of tiles; the last row and column of tiles are cut.
  { cin: 8, cout: 8, size: [18, 283] },
  // Eights to eights have products of their own.
  ...Array.from({ length: 4 }, () => ({
    cin: 8,
    cout: 8,
    size: [16 + rng.int(20), 16 + rng.int(300)] as const,
  })),
  { cin: 8, cout: 8, size: [20, 52], dilation: [2, 2] },
  { cin: 9, cout: 13, size: [22, 30] },
  { cin: 8, cout: 19, size: [16, 33], padding: [0, 2] },
  { cin: 20, cout: 8, size: [17, 29], padding: [3, 0] },
  { cin: 25, cout: 25, size: [24, 40] },
  { cin: 35, cout: 19, size: [20, 36] },
  { cin: 64, cout: 40, size: [12, 40] },
  // Inputs in several parts; few tiles, which chunks share.
  { cin: 300, cout: 24, size: [16, 20] },
  { cin: 12, cout: 275, size: [14, 33] },
  // Residues of rows and columns as images of their own, the last tiles cut.
  { cin: 8, cout: 12, size: [18, 44], dilation: [2, 2] },
  { cin: 19, cout: 9, size: [24, 66], dilation: [2, 3] },
  { cin: 12, cout: 16, size: [16, 260], dilation: [4, 4] },
  ...Array.from({ length: 6 }, () => ({
    cin: 8 + rng.int(20),
    cout: 8 + rng.int(20),
    size: [16 + rng.int(20), 16 + rng.int(40)] as const,
    padding: [rng.int(4), rng.int(4)] as const,
  })),
];

test('3×3 convolutions and their gradient of the input', async () => {
  const rng = seededRandom(seed);
  for (const c of cases(rng)) {
    const { cin, cout, size, dilation = [1, 1], padding = dilation } = c;
    const attrs = { stride: [1, 1], padding, dilation, groups: 1 } as const;
    const x: Shape = [2, size[0], size[1], cin];
    const [height, width] = [0, 1].map((axis) => size[axis] + 2 * (padding[axis] - dilation[axis]));
    const y: Shape = [2, height, width, cout];
    const weight = randomTensor(rng, [3, 3, cin, cout]);
    const vector = (channels: number) => randomTensor(rng, [1, 1, 1, channels]);
    const some = <T extends object>(tensors: T): Partial<T> => (rng.chance(0.5) ? tensors : {});
    for (const backend of backends) {
      const label = `seed ${seed} ${JSON.stringify(c)}`;
      const layout = {
        options: { threads: 1 },
        // Behind the channels of `x` lies NaN.
        views: {
          x: { pixelStride: cin + rng.int(9), channelOffset: 0 },
          y: { pixelStride: cout + rng.int(9), channelOffset: 0 },
        },
      };
      const inputs = {
        x: randomTensor(rng, x),
        weight,
        ...some({ preScale: vector(cin), preShift: vector(cin) }),
        ...some({ preSlope: vector(cin) }),
        ...some({ bias: vector(cout) }),
        ...some({ slope: vector(cout) }),
        ...some({ residual: randomTensor(rng, y) }),
      };
      const activated = { ...attrs, ...activation(rng) };
      await assertParity(backend, 'conv2d', inputs, activated, { relative, label, layout });
      const gradients = { gy: randomTensor(rng, y), weight, ...some({ acc: randomTensor(rng, x) }) };
      const all = { ...attrs, height: x[1], width: x[2] };
      await assertParity(backend, 'conv2dGradInput', gradients, all, {
        relative,
        label,
        layout: { options: { threads: 1 } },
      });
    }
  }
});
