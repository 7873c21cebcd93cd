/** Exported models in ONNX Runtime against this program's own inference. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as ort from 'onnxruntime-web';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { UserError } from '../../src/errors.js';
import { modelSlots, smallestPlan } from '../../src/eval/model.js';
import { Predictor } from '../../src/eval/predictor.js';
import { exportOnnx } from '../../src/interop/onnx.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { initialWeights } from '../../src/nets/initialize.js';
import type { Network } from '../../src/nets/network.js';
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

interface Exported {
  readonly name: string;
  readonly config?: Record<string, unknown>;
  /** Sizes the dynamic model is run at; none where the network has no dynamic export. */
  readonly dynamic: readonly (readonly [number, number])[];
  readonly size: readonly [number, number];
}

const networks: readonly Exported[] = [
  {
    name: 'vnet',
    size: [67, 93],
    dynamic: [
      [96, 64],
      [71, 133],
    ],
  },
  {
    name: 'enet',
    size: [72, 104],
    dynamic: [
      [96, 64],
      [72, 104],
    ],
  },
  {
    name: 'espnet',
    size: [67, 93],
    dynamic: [
      [96, 64],
      [72, 104],
    ],
  },
  {
    name: 'erfnet',
    size: [67, 93],
    dynamic: [
      [96, 64],
      [72, 104],
    ],
  },
  { name: 'segnet', config: { width: 8 }, size: [64, 96], dynamic: [[96, 64]] },
  { name: 'icnet', config: { keep: 0.125 }, size: [67, 93], dynamic: [] },
  {
    name: 'bisenet-r18',
    size: [67, 93],
    dynamic: [
      [96, 64],
      [71, 133],
    ],
  },
  {
    name: 'bisenet-x39',
    size: [67, 93],
    dynamic: [
      [96, 64],
      [71, 133],
    ],
  },
  { name: 'pspnet', config: { width: 8, blocks: [1, 1, 2, 1] }, size: [67, 93], dynamic: [] },
];

for (const { name, config, size, dynamic } of networks) {
  const network = networkFromConfig(name, { ...config, classes: 7 });
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
    const [height, width] = size;
    await compare((output) => exportOnnx(network, weights, { height, width, output }), height, width);
  });

  if (dynamic.length > 0) {
    test(`${name}: the same model at sizes chosen later`, async () => {
      for (const [height, width] of dynamic) {
        await compare(
          (output) => exportOnnx(network, weights, { height: 128, width: 192, output, dynamic: true }),
          height,
          width,
        );
      }
    });
  }
}

test('unpooling of windows that the image cuts is refused in one line', () => {
  const network = networkFromConfig('segnet', { classes: 3, width: 4 });
  assert.throws(
    () => exportOnnx(network, weightsOf(network), { height: 72, width: 104 }),
    (error) => error instanceof UserError && /multiples of 32/.test(error.message),
  );
});
