import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import { convLength } from '../../src/ops/conv.js';
import { candidatesParity } from './candidates.js';
import { adapters, backendOn } from './gpu.js';
import { randomBytes, randomTensor, seededRandom, testSeed } from './harness.js';
import { between } from './shapes.js';

const seed = testSeed(19);

/** Convolutions of few channels in two dimensions, larger than a tile: what the stem is made of. */
for (const { name } of adapters.map(describeAdapter)) {
  test(`convolutions of few channels, in every way, on ${name}`, async () => {
    const backend = await backendOn(name);
    const rng = seededRandom(seed);
    const seen = new Set<string>();
    for (let round = 0; round < 4; round++) {
      const bytes = round % 2 === 1;
      const [n, h, w] = [between(rng, 1, 2), between(rng, 5, 40), between(rng, 5, 70)];
      const [from, to] = [bytes ? 3 : between(rng, 1, 9), between(rng, 1, 9)];
      const kernel = [between(rng, 2, 3), between(rng, 1, 3)] as const;
      const attrs: ConvAttrs = {
        stride: bytes ? [2, between(rng, 1, 2)] : [1, 1],
        padding: [rng.int(3), rng.int(3)],
        dilation: [between(rng, 1, 2), between(rng, 1, 2)],
        groups: 1,
        ...(bytes ? { normalize: { mean: [0.4, 0.5, 0.6], std: [0.2, 0.25, 0.3] } } : {}),
      };
      const length = (axis: 0 | 1) =>
        convLength([h, w][axis], kernel[axis], attrs.stride[axis], attrs.padding[axis], attrs.dilation[axis]);
      const y = [n, length(0), length(1), to] as const;
      const weight = randomTensor(rng, [...kernel, from, to]);
      const options = { relative: 2e-5, label: `seed ${seed}, round ${round}`, most: 1 };
      const inputs = {
        x: bytes ? randomBytes(rng, [n, h, w, from]) : randomTensor(rng, [n, h, w, from]),
        ...{ weight, residual: randomTensor(rng, y), slope: randomTensor(rng, [1, 1, 1, to], 0, 0.5) },
      };
      for (const way of await candidatesParity(backend, rng, { op: 'conv2d', inputs, attrs }, options))
        seen.add(way);
      if (bytes) continue;
      const gradient = {
        op: 'conv2dGradInput',
        inputs: { gy: randomTensor(rng, y), weight },
        attrs: { ...attrs, height: h, width: w },
      } as const;
      for (const way of await candidatesParity(backend, rng, gradient, options)) seen.add(way);
    }
    assert.ok(
      [...seen].some((way) => way.startsWith('tile ')),
      [...seen].join('; '),
    );
    backend.dispose();
  });
}
