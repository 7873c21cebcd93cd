/** Gradients of weights whose blocks are many, or whose pixels are split, which random cases are too small for. */
import { test } from 'node:test';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import { convLength } from '../../src/ops/conv.js';
import { adapters, backendOn } from './gpu.js';
import { assertParity, randomBytes, randomTensor, seededRandom, testSeed } from './harness.js';

const seed = testSeed(5);

type Pair = [number, number];
const one: Pair = [1, 1];
const cases: Record<string, { image: Pair; channels: Pair; kernel: Pair; stride?: Pair; dilation?: Pair }> = {
  'all taps in one block': { image: [9, 21], channels: [76, 76], kernel: [3, 1], dilation: [2, 1] },
  'pixels in splits': { image: [19, 37], channels: [8, 8], kernel: [3, 3] },
  'bytes of an image': { image: [21, 40], channels: [3, 8], kernel: [3, 3], stride: [2, 2] },
  'blocks of channels': { image: [5, 6], channels: [150, 134], kernel: [3, 1] },
  'blocks of taps': { image: [9, 10], channels: [5, 130], kernel: [9, 9] },
};

for (const { name } of adapters.map(describeAdapter)) {
  test(`conv2dGradWeight of larger shapes on ${name}`, async (t) => {
    const backend = await backendOn(name);
    const rng = seededRandom(seed);
    for (const [what, { image, channels, kernel, stride = one, dilation = one }] of Object.entries(cases)) {
      await t.test(what, async () => {
        const [from, to] = channels;
        const padding: Pair = [dilation[0] * (kernel[0] >> 1), dilation[1] * (kernel[1] >> 1)];
        const length = (k: 0 | 1) => convLength(image[k], kernel[k], stride[k], padding[k], dilation[k]);
        const vector = (low: number, high: number) => randomTensor(rng, [1, 1, 1, from], low, high);
        const photo = from === 3;
        const inputs = {
          x: photo ? randomBytes(rng, [2, ...image, from]) : randomTensor(rng, [2, ...image, from]),
          ...(photo
            ? {}
            : { preScale: vector(0.5, 1.5), preShift: vector(-1, 1), preSlope: vector(-0.5, 0.5) }),
          gy: randomTensor(rng, [2, length(0), length(1), to]),
        };
        const normalize = photo ? { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] } : undefined;
        const attrs = { kernel, stride, padding, dilation, groups: 1, ...(photo ? { normalize } : {}) };
        let names: string[] = [];
        const parity = (label: string, algorithm?: string) =>
          assertParity(backend, 'conv2dGradWeight', inputs, attrs, {
            relative: 2e-5,
            label: `seed ${seed}, ${label}`,
            layout: {
              algorithm(call) {
                names = everyWay.of(call, backend.lowering.able).map((candidate) => candidate.name);
                return algorithm;
              },
            },
          });
        await parity('first');
        // One of the others: they take seconds to compile.
        const other = rng.int(names.length);
        if (other > 0) await parity(names[other], names[other]);
      });
    }
    backend.dispose();
  });
}
