/** The official ESPNet weights, where they are at hand: logits and labels as the official code computes them. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { readImage } from '../../src/data/image.js';
import { Predictor } from '../../src/eval/predictor.js';
import { fromPytorch } from '../../src/interop/pytorch.js';
import { importDefaults } from '../../src/interop/sources.js';
import { decodeSafetensors } from '../../src/model/safetensors.js';
import { espnet } from '../../src/nets/espnet.js';
import { testData } from './data.js';

const folder = testData('espnet-official');

interface Point {
  readonly at: readonly [number, number];
  readonly logits: readonly number[];
}

test('official ESPNet weights: logits to 1e-3, at least 99.9 % of labels', {
  skip: !folder && 'no official weights',
}, async () => {
  const at = (name: string) => path.join(folder!, name);
  assert.ok(existsSync(at('logits.json')));
  const { tensors } = decodeSafetensors(readFileSync(at('espnet_p2_q8.safetensors')), 'official weights');
  const { normalization, order } = importDefaults('espnet');
  const network = espnet({ classes: 20, normalization });
  const { weights, unused } = fromPytorch(network, tensors, order, 'official weights');
  assert.deepEqual(unused, []);
  const data = new Map([...weights].map(([name, tensor]) => [name, tensor.data]));
  const predictor = new Predictor(network, data, { backend: wasmBackend });
  const image = await readImage(at('input.png'));
  const logits = await predictor.logits(image);
  assert.deepEqual([logits.height, logits.width], [image.height, image.width]);
  const { points } = JSON.parse(readFileSync(at('logits.json'), 'utf8')) as { points: Point[] };
  assert.ok(points.length >= 24);
  let largest = 0;
  for (const {
    at: [row, column],
    logits: expected,
  } of points) {
    expected.forEach((value, c) => {
      const actual = logits.data[(row * logits.width + column) * 20 + c];
      largest = Math.max(largest, Math.abs(actual - value));
    });
  }
  const labels = await predictor.labels(image);
  const expected = await readImage(at('labels.png'));
  let equal = 0;
  for (let i = 0; i < labels.data.length; i++) if (labels.data[i] === expected.data[3 * i]) equal++;
  await predictor.dispose();
  const share = equal / labels.data.length;
  console.log(`largest difference of logits ${largest.toExponential(2)}, labels equal ${share}`);
  assert.ok(largest <= 1e-3, `logits differ by ${largest}`);
  assert.ok(share >= 0.999, `${share} of the labels agree`);
});
