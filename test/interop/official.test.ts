/** Weights of others: networks as their published PyTorch code defines them, run by PyTorch (fixtures/make.py). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { Predictor } from '../../src/eval/predictor.js';
import { matchCheckpoint } from '../../src/interop/match.js';
import { fromPytorch } from '../../src/interop/pytorch.js';
import { importDefaults } from '../../src/interop/sources.js';
import { networkFromConfig } from '../../src/nets/index.js';

interface Case {
  readonly network: string;
  readonly prefix: string;
  readonly size: readonly [number, number];
  readonly logits: readonly [height: number, width: number, classes: number];
  readonly tensors: Readonly<Record<string, readonly number[]>>;
  readonly points: readonly { readonly at: readonly [number, number]; readonly logits: readonly number[] }[];
  /** Of every fourth pixel, A for class 0. */
  readonly labels: string;
}

const file = new URL('../../../test/interop/fixtures/official.json', import.meta.url);
const cases = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, Case>>;

/** `noise` of make.py. */
function noise(count: number, seed: number): Float64Array {
  const numbers = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    let h = (Math.imul(i, 2654435761) + seed * 40503 + 1) >>> 0;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    numbers[i] = ((h ^ (h >>> 16)) >>> 0) / 2 ** 31 - 1;
  }
  return numbers;
}

/** `fill` of make.py. */
function valuesOf(
  name: string,
  shape: readonly number[],
  k: number,
  names: ReadonlySet<string>,
): Float32Array {
  const count = shape.reduce((a, b) => a * b, 1);
  const u = noise(count, k);
  const [, block, kind] = /^(?:(.*)\.)?(\w+)$/.exec(name)!;
  const scale = (base: number, by: number) => Float32Array.from(u, (v) => base + by * v);
  if (kind === 'running_var') return scale(1, 0.3);
  if (kind === 'running_mean' || kind === 'bias') return scale(0, 0.1);
  if (shape.length === 4) return scale(0, Math.sqrt(3 / (count / shape[0])));
  if (kind === 'weight') return names.has(`${block}.running_mean`) ? scale(1, 0.2) : scale(0.25, 0.1);
  return new Float32Array(count);
}

function imageOf([height, width]: readonly [number, number]) {
  const noisy = noise(height * width * 3, 7);
  const data = Uint8Array.from(noisy, (v, i) => {
    const pixel = Math.floor(i / 3);
    const byte = Math.floor((v + 1) * 128);
    return (Math.floor(byte / 4) + 3 * Math.floor(pixel / width) + (pixel % width)) % 256;
  });
  return { height, width, data };
}

for (const [name, { network: wanted, prefix, size, logits, tensors, points, labels }] of Object.entries(
  cases,
)) {
  test(`${name}: found by its names alone, and equal to PyTorch`, async (t) => {
    const names = new Set(Object.keys(tensors));
    const foreign = new Map(
      Object.entries(tensors).map(([key, shape], k) => [
        prefix + key,
        { shape, data: valuesOf(key, shape, k, names) },
      ]),
    );
    const match = matchCheckpoint({ dictionaries: [{ path: 'state_dict', tensors: foreign }] }, name);
    assert.equal(match.network.name, wanted);
    assert.equal(match.prefix, `state_dict.${prefix}`);
    assert.deepEqual(match.missing, []);
    const { normalization, order } = importDefaults(wanted);
    const network = networkFromConfig(wanted, { ...match.network.config, normalization });
    const { weights, unused } = fromPytorch(network, match.tensors, order, name);
    // Heads that only training has.
    assert.deepEqual(
      unused.filter((key) => !/^(aux\.|heads\.[01]\.)/.test(key)),
      [],
    );
    const data = new Map([...weights].map(([key, tensor]) => [key, tensor.data]));
    const predictor = new Predictor(network, data, { backend: wasmBackend, threads: 1 });
    try {
      const image = imageOf(size);
      const actual = await predictor.logits(image);
      assert.deepEqual([actual.height, actual.width, actual.classes], logits);
      let largest = 0;
      for (const { at, logits: expected } of points) {
        const start = (at[0] * actual.width + at[1]) * actual.classes;
        expected.forEach((value, c) => {
          largest = Math.max(largest, Math.abs(actual.data[start + c] - value));
        });
      }
      const predicted = await predictor.labels(image);
      let equal = 0;
      let i = 0;
      for (let y = 0; y < size[0]; y += 4) {
        for (let x = 0; x < size[1]; x += 4) {
          if (predicted.data[y * size[1] + x] === labels.charCodeAt(i++) - 65) equal++;
        }
      }
      t.diagnostic(`logits differ by ${largest.toExponential(1)}, ${equal} of ${labels.length} labels equal`);
      assert.equal(i, labels.length);
      assert.ok(largest <= 2e-4, `logits differ by ${largest}`);
      assert.ok(equal >= 0.995 * labels.length, `${equal} of ${labels.length} labels`);
    } finally {
      await predictor.dispose();
    }
  });
}
