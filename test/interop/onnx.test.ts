/** Exported models in ONNX Runtime against this program's own inference. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import * as ort from 'onnxruntime-web';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { Predictor } from '../../src/eval/predictor.js';
import { exportOnnx } from '../../src/interop/onnx.js';
import { modelSlots, smallestPlan } from '../../src/model/slots.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';
import { initialWeights } from '../../src/nets/initialize.js';
import type { Network } from '../../src/nets/network.js';
import { imageNorm } from '../../src/nets/normalization.js';
import { kernelFunctions } from '../../src/ops/pointwise/table.js';
import { assertClose, randomBytes, seededRandom, testSeed } from '../backends/harness.js';

const seed = testSeed(60);
ort.env.wasm.numThreads = 1;
ort.env.logLevel = 'error';

/** Random weights with running statistics of a network that has been trained: means off zero, variances near one. */
function weightsOf(network: Network): Map<string, Float32Array> {
  const plan = smallestPlan(network);
  const slots = modelSlots(plan);
  const rng = seededRandom(seed);
  const weights = new Map<string, Float32Array>();
  for (const [name, data] of initialWeights(plan, seed)) {
    if (!slots.has(name)) continue;
    const spread = name.endsWith('.weight') ? 0 : 0.2;
    weights.set(
      name,
      data.map((value) => value + rng.range(-spread, spread)),
    );
  }
  return weights;
}

async function run(model: Uint8Array, data: Uint8Array, height: number, width: number, output: string) {
  const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] });
  try {
    const images = new ort.Tensor('uint8', data, [1, height, width, 3]);
    const { [output]: result } = await session.run({ images });
    return { data: result.data as Float32Array | Uint8Array, dims: result.dims };
  } finally {
    await session.release();
  }
}

/** No multiples of anything; both parities occur at every resolution. */
const odd = [
  [67, 94],
  [71, 133],
] as const;

const outputs = ['labels', 'logits'] as const;

const python = process.env.VNET_TEST_PYTHON ?? 'python3';
const hasOpenCv = spawnSync(python, ['-c', 'import cv2']).status === 0;

/** OpenCV has no operator that undoes a max pooling: it opens none of these. */
const unpools = new Set(['enet', 'segnet']);

/** Whose results OpenCV 5.0.0 makes of memory that it has not written, other ones each time; 4.14 has ours. */
const wrongIn5 = new Set(['bisenet-r18', 'bisenet-x39', 'pspnet']);

/** Logits of OpenCV's dnn, `N×classes×h×w`, and its version. */
function runOpenCv(model: Uint8Array, image: Uint8Array, height: number, width: number) {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-opencv-'));
  const [onnx, input, out] = ['model.onnx', 'image.bin', 'logits.bin'].map((name) => path.join(folder, name));
  writeFileSync(onnx, model);
  writeFileSync(input, image);
  const script = fileURLToPath(new URL('../../../test/interop/opencv.py', import.meta.url));
  const args = [script, onnx, input, String(height), String(width), out];
  const { status, stdout, stderr } = spawnSync(python!, args, { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  const bytes = readFileSync(out);
  const data = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  return { data, version: stdout.trim() };
}

const configs: Readonly<Record<string, Record<string, unknown>>> = {
  segnet: { width: 8 },
  icnet: { keep: 0.125 },
  pspnet: { width: 8, blocks: [1, 1, 2, 1] },
};

/** A convolution, then every function of the pointwise table after one. */
const everyFunction: Network = {
  name: 'pointwise functions',
  classes: 7,
  config: {},
  build(b, images) {
    const first = b.conv('first', images, { out: 8, kernel: 3, stride: 2, normalize: imageNorm });
    const last = kernelFunctions.reduce(
      (x, name) => b.pointwise(name, b.conv(name, x, { out: 8, kernel: 1 })),
      first,
    );
    return b.conv('head', last, { out: 7, kernel: 1 });
  },
};

const networks = [
  ...networkNames.map((name) => networkFromConfig(name, { ...configs[name], classes: 7 })),
  everyFunction,
];

for (const network of networks) {
  const { name } = network;
  const weights = weightsOf(network);

  const compare = async (
    model: (output: 'logits' | 'labels') => Uint8Array,
    height: number,
    width: number,
  ) => {
    const label = `${name} at ${height}×${width}, seed ${seed}`;
    const image = randomBytes(seededRandom(seed), [1, height, width, 3]).data as Uint8Array;
    const predictor = new Predictor(network, weights, { backend: wasmBackend, threads: 1 });
    try {
      const expected = await predictor.logits({ height, width, data: image });
      const logits = await run(model('logits'), image, height, width, 'logits');
      assert.deepEqual(logits.dims, [1, expected.classes, expected.height, expected.width], label);
      const pixels = expected.height * expected.width;
      const planar = expected.data.map(
        (_, i) => expected.data[(i % pixels) * expected.classes + Math.floor(i / pixels)],
      );
      assertClose(logits.data, planar, { relative: 1e-4, label });

      const wanted = await predictor.labels({ height, width, data: image });
      const labels = await run(model('labels'), image, height, width, 'labels');
      assert.deepEqual(labels.dims, [1, height, width], label);
      const equal = wanted.data.reduce((sum, value, i) => sum + (value === labels.data[i] ? 1 : 0), 0);
      assert.ok(equal >= 0.999 * wanted.data.length, `${label}: ${equal} of ${wanted.data.length} labels`);
    } finally {
      await predictor.dispose();
    }
  };

  test(`${name}: ONNX Runtime gives our logits and labels, fixed size`, async () => {
    const [height, width] = odd[0];
    await compare((output) => exportOnnx(network, weights, { height, width, output }), height, width);
  });

  test(`${name}: OpenCV gives our logits, fixed size`, {
    skip: !hasOpenCv
      ? `no cv2 for ${python}: pip install opencv-python-headless, VNET_TEST_PYTHON`
      : unpools.has(name) && 'OpenCV has no max unpooling',
  }, async (t) => {
    const [height, width] = [72, 96];
    const image = randomBytes(seededRandom(seed), [1, height, width, 3]).data as Uint8Array;
    const predictor = new Predictor(network, weights, { backend: wasmBackend, threads: 1 });
    const expected = await predictor.logits({ height, width, data: image });
    await predictor.dispose();
    const pixels = expected.height * expected.width;
    const planar = expected.data.map(
      (_, i) => expected.data[(i % pixels) * expected.classes + Math.floor(i / pixels)],
    );
    const model = exportOnnx(network, weights, { height, width, output: 'logits' });
    const { data, version } = runOpenCv(model, image, height, width);
    t.diagnostic(`OpenCV ${version}`);
    assert.equal(data.length, planar.length);
    if (version.startsWith('5.0.0') && wrongIn5.has(name))
      t.diagnostic('opened, but its results are not compared');
    else assertClose(data, planar, { relative: 1e-4, label: `${name}, seed ${seed}` });
  });

  test(`${name}: the same model at sizes chosen later`, async () => {
    const models = new Map(
      outputs.map((output) => [output, exportOnnx(network, weights, { dynamic: true, output })]),
    );
    for (const [height, width] of [[96, 64] as const, ...odd]) {
      await compare((output) => models.get(output)!, height, width);
    }
  });
}
