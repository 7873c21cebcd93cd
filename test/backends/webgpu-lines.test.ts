import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { convLength } from '../../src/ops/conv.js';
import { candidatesParity } from './candidates.js';
import { adapters, backendOn } from './gpu.js';
import { randomTensor, seededRandom, testSeed } from './harness.js';

const seed = testSeed(6);

/** Convolutions along one axis, or of 1×1, at every dilation: what V modules are made of. */
for (const { name } of adapters.map(describeAdapter)) {
  test(`convolutions along lines, in every way, on ${name}`, async () => {
    const backend = await backendOn(name);
    const rng = seededRandom(seed);
    const seen = new Set<string>();
    for (let round = 0; round < 3; round++) {
      const axis = rng.int(2);
      const taps = round === 0 ? 3 : rng.pick([1, 3, 3]);
      const dilation = 1 + rng.int(4);
      const along = <T>(value: T, across: T): readonly [T, T] =>
        axis === 0 ? [value, across] : [across, value];
      const attrs = {
        stride: taps === 1 ? ([1 + rng.int(2), 1 + rng.int(2)] as const) : ([1, 1] as const),
        padding: along(taps === 1 ? 0 : rng.pick([0, dilation, dilation]), 0),
        dilation: along(dilation, 1),
        groups: 1,
      };
      const [n, h, w] = [1 + rng.int(2), 9 + rng.int(20), 9 + rng.int(20)];
      // Wide enough for Winograd once. Wider ones take SwiftShader minutes to compile.
      const [from, to] = [9 + rng.int(16), round === 0 ? 24 + rng.int(9) : 1 + rng.int(32)];
      const kernel = along(taps, 1);
      const length = (axis: 0 | 1) =>
        convLength([h, w][axis], kernel[axis], attrs.stride[axis], attrs.padding[axis], attrs.dilation[axis]);
      const y = [n, length(0), length(1), to] as const;
      const weight = randomTensor(rng, [...kernel, from, to]);
      const options = {
        relative: 2e-5,
        label: `seed ${seed}, round ${round}`,
        most: 1,
        kind: round === 0 ? 'winograd 4' : 'runs',
      };
      const inputs = {
        ...{ x: randomTensor(rng, [n, h, w, from]), weight },
        ...{ residual: randomTensor(rng, y), slope: randomTensor(rng, [1, 1, 1, to], 0, 0.5) },
      };
      for (const way of await candidatesParity(backend, rng, { op: 'conv2d', inputs, attrs }, options))
        seen.add(way);
      const back = { gy: randomTensor(rng, y), weight };
      const gradient = {
        op: 'conv2dGradInput',
        inputs: back,
        attrs: { ...attrs, height: h, width: w, kernel },
      } as const;
      for (const way of await candidatesParity(backend, rng, gradient, options)) seen.add(way);
    }
    assert.ok(
      [...seen].some((way) => way.startsWith('winograd')),
      [...seen].join('; '),
    );
    backend.dispose();
  });
}
