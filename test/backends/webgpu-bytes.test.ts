/** Convolutions that multiply bytes on GPUs (`--precision i8`), against float64. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { BLOCK } from '../../src/backends/webgpu/kernels/convBytes.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import { sizeOf } from '../../src/ir/value.js';
import { vnet } from '../../src/nets/vnet.js';
import { adapters, backendOn } from './gpu.js';
import type { Tensor } from './harness.js';
import { assertParity, randomTensor, runOp, seededRandom, testSeed } from './harness.js';
import { inference } from './network.js';

const seed = testSeed(83);

/** Numbers that bytes hold exactly: whole multiples of a scale that every run of `BLOCK` neighbours has, up to ±127. */
function exactTensor(rng: Rng, shape: Shape, last: number): Tensor {
  const data = new Float32Array(sizeOf(shape));
  for (let row = 0; row < data.length; row += last) {
    for (let first = 0; first < last; first += BLOCK) {
      // A power of two: products with it are exact.
      const scale = 2 ** (rng.int(5) - 10);
      const end = Math.min(last, first + BLOCK);
      for (let i = first; i < end; i++) data[row + i] = scale * (rng.int(255) - 127);
      data[row + first + rng.int(end - first)] = 127 * scale;
    }
  }
  return { shape, data };
}

/** The same for weights, whose blocks run over their third axis. */
function exactWeights(rng: Rng, [kh, kw, cin, cout]: Shape): Tensor {
  const { data } = exactTensor(rng, [kh, kw, cout, cin], cin);
  const weights = new Float32Array(data.length);
  for (let t = 0; t < kh * kw; t++)
    for (let o = 0; o < cout; o++)
      for (let i = 0; i < cin; i++) weights[(t * cin + i) * cout + o] = data[(t * cout + o) * cin + i];
  return { shape: [kh, kw, cin, cout], data: weights };
}

const shapes = [
  { cin: 32, cout: 32, kernel: [3, 1] },
  { cin: 76, cout: 76, kernel: [1, 3] },
  { cin: 16, cout: 19, kernel: [1, 1] },
  { cin: 21, cout: 10, kernel: [3, 3] },
] as const;

function geometryOf(rng: Rng, [kh, kw]: readonly [number, number]) {
  const dilation = 1 + rng.int(4);
  const attrs = {
    stride: kh * kw === 1 ? ([2, 2] as const) : ([1, 1] as const),
    padding: [kh > 1 ? dilation : 0, kw > 1 ? dilation : 0] as const,
    dilation: [kh > 1 ? dilation : 1, kw > 1 ? dilation : 1] as const,
    ...{ groups: 1, products: 'i8' as const },
  };
  const size = [1 + rng.int(2), 9 + rng.int(9), 9 + rng.int(30)] as const;
  const out = size.map((n, axis) => (axis > 0 && kh * kw === 1 ? Math.ceil(n / 2) : n));
  return { attrs, size, out };
}

for (const { name } of adapters.map(describeAdapter)) {
  test(`products of bytes on ${name}: numbers that bytes hold exactly give the exact result`, async () => {
    const rng = seededRandom(seed);
    const backend = await backendOn(name);
    for (const { cin, cout, kernel } of shapes) {
      const { attrs, size, out } = geometryOf(rng, kernel);
      const y: Shape = [out[0], out[1], out[2], cout];
      const inputs = {
        x: exactTensor(rng, [...size, cin], cin),
        weight: exactWeights(rng, [...kernel, cin, cout]),
        bias: randomTensor(rng, [1, 1, 1, cout]),
        slope: randomTensor(rng, [1, 1, 1, cout]),
        residual: randomTensor(rng, y),
      };
      const views = { x: { pixelStride: 2 * Math.ceil(cin / 4) * 4, channelOffset: 4 } };
      const label = `seed ${seed}, ${cin} to ${cout}, ${kernel}`;
      const layout = { views, constants: ['weight'], algorithm: () => 'bytes' };
      await assertParity(backend, 'conv2d', inputs, attrs, { relative: 1e-5, label, layout });
    }
    backend.dispose();
  });

  test(`products of bytes on ${name}: any numbers, to a hundredth of the largest result`, async () => {
    const rng = seededRandom(seed + 1);
    const backend = await backendOn(name);
    for (const { cin, cout, kernel } of shapes.slice(0, 2)) {
      const { attrs, size } = geometryOf(rng, kernel);
      const scale = 10 ** rng.range(-6, 6);
      const inputs = {
        x: randomTensor(rng, [...size, cin], -scale, scale),
        weight: randomTensor(rng, [...kernel, cin, cout]),
      };
      const layout = { constants: ['weight'], algorithm: () => 'bytes' };
      const { y } = await runOp(backend, 'conv2d', inputs, attrs, layout);
      const { y: exact } = await runOp(referenceBackend, 'conv2d', inputs, attrs);
      const largest = Math.max(...Array.from(exact.data, Math.abs));
      const error = Math.max(...Array.from(exact.data, (v, i) => Math.abs(v - y.data[i])));
      assert.ok(error <= 0.01 * largest, `seed ${seed}: ${error} of ${largest}`);
      assert.ok(error >= 1e-4 * largest, 'float32 would be closer: bytes were not multiplied');
    }
    backend.dispose();
  });

  test(`VNet in bytes on ${name}: logits to three hundredths; CPU cores and training refuse`, async () => {
    const net = vnet({ classes: 11, alpha: 0, beta: 1 });
    const backend = await backendOn(name);
    const shape = [1, 40, 64] as const;
    const exact = (await inference(referenceBackend, net, shape, 'logits', seed)) as Float32Array;
    const ours = (await inference(backend, net, shape, 'logits', seed, {
      precision: 'i8',
    })) as Float32Array;
    const norm = (values: Float32Array) => Math.sqrt(values.reduce((sum, v) => sum + v * v, 0));
    const error = norm(ours.map((v, i) => v - exact[i])) / norm(exact);
    assert.ok(error <= 0.03 && error >= 1e-4, `seed ${seed}: ${error}`);
    backend.dispose();
    const size = { batch: 1, height: 40, width: 64, precision: 'i8' } as const;
    const plan = compileInference(net, { ...size, scratchBytes: wasmBackend.scratchBytes });
    await assert.rejects(wasmBackend.prepare(plan), /`precision: 'i8'`: CPU cores have no kernels/);
    assert.throws(
      () => compileTraining(net, { ...size, scratchBytes: wasmBackend.scratchBytes }),
      /`precision: 'i8'`: training needs float32 products/,
    );
  });
}
