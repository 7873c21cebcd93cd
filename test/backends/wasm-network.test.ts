import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as v from 'valibot';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { compile as compileProgram } from '../../src/backends/wasm/program.js';
import { compileInference } from '../../src/compile.js';
import { policies } from '../../src/graph/differentiate.js';
import { defineNetwork } from '../../src/nets/define.js';
import { imageNorm } from '../../src/nets/normalization.js';
import { contextualPyramidPooling, vnet } from '../../src/nets/vnet.js';
import { assertClose, seededRandom, testSeed } from './harness.js';
import { agreement, assertSameStep, inference, referenceStep, trainingStep } from './network.js';

const seed = testSeed(40);
const size = { batch: 2, height: 67, width: 93 };

test('whole VNet on wasm: loss, gradients and statistics equal float64 under every policy', async () => {
  const net = vnet({ classes: 11 });
  const expected = await referenceStep(net, { ...size, policy: 'save' }, seed);
  for (const policy of policies) {
    const actual = await trainingStep(wasmBackend, net, { ...size, policy }, seed);
    assertSameStep(actual, expected, 2e-4, `${policy}, seed ${seed}`);
  }
});

test('1, 2 and 3 threads give bit-identical steps', async () => {
  const net = vnet({ classes: 7, stem: 6, widths: [20, 44] });
  const [one, ...others] = await Promise.all(
    [1, 2, 3].map((threads) => trainingStep(wasmBackend, net, { ...size, height: 131 }, seed, { threads })),
  );
  for (const other of others) {
    for (const [name, values] of one) assert.deepEqual(other.get(name), values, name);
  }
});

test('folded inference on wasm: logits to 1e-4, labels equal but for ties of rounding', async () => {
  const net = vnet({ classes: 19 });
  const shape = [1, 75, 101] as const;
  const logits = await inference(referenceBackend, net, shape, 'logits', seed);
  assertClose(await inference(wasmBackend, net, shape, 'logits', seed), logits, {
    relative: 1e-4,
    label: `seed ${seed}`,
  });
  const labels = await inference(referenceBackend, net, shape, 'labels', seed);
  const share = agreement(await inference(wasmBackend, net, shape, 'labels', seed), labels);
  assert.ok(share >= 0.9995, `${share} of the labels agree`);
});

test('each F and G of inference is one stage, whose middle is not written', () => {
  const { scratchBytes } = wasmBackend;
  const plan = compileInference(vnet({ classes: 19 }), { batch: 1, height: 256, width: 512, scratchBytes });
  const { steps } = compileProgram(plan, 2);
  const pairs = steps.filter(({ kernel }) => kernel === 'convWinograd1dPair');
  const single = steps.filter(({ kernel }) => kernel === 'convWinograd1d');
  // At dilation 16 and 32 rows a tile would be half padding: G of the last module is two convolutions.
  assert.deepEqual([pairs.length, single.length], [5, 1]);
});

test('a pyramid pooling and the 1×1 convolution beside it are one stage', async () => {
  const rng = seededRandom(seed + 1);
  const whole = (from: number, to: number) => from + rng.int(to - from + 1);
  for (let i = 0; i < 8; i++) {
    // The third is wider than a tile of columns.
    const channels = i === 2 ? 128 : 4 * whole(1, 12);
    const out = channels + whole(1, 40);
    const kernels = [[3, 5, 7], [3, 5], [3], [5, 7]][i % 4];
    const shape = [whole(1, 2), whole(30, 90), i === 2 ? 290 : whole(30, 120)] as const;
    const net = defineNetwork('beside', v.strictObject({ classes: v.number() }), (b, images) => {
      const x = b.conv('first', images, { out: channels, kernel: 3, stride: 2, normalize: imageNorm });
      const y = contextualPyramidPooling(b, b.prelu('act', x), out, kernels);
      return b.conv('head', y, { out: 5, kernel: 1, bias: true });
    })({ classes: 5 });
    const label = `${shape.join('×')}, ${channels}→${out}, windows ${kernels}, seed ${seed}`;
    const [n, height, width] = shape;
    const { scratchBytes } = wasmBackend;
    const plan = compileInference(net, { batch: n, height, width, scratchBytes });
    const beside = compileProgram(plan, 2).steps.filter(({ kernel }) => kernel === 'convPyramid');
    assert.equal(beside.length, 1, label);
    const expected = await inference(referenceBackend, net, shape, 'logits', seed);
    assertClose(await inference(wasmBackend, net, shape, 'logits', seed), expected, {
      relative: 1e-4,
      label,
    });
  }
});

test('labels of patches: logits of a transposed convolution are not written', async () => {
  for (const [classes, channels, bias] of [
    [1, 5, true],
    [3, 8, false],
    [11, 16, true],
    [19, 19, false],
    [21, 7, true],
    [33, 12, true],
    [80, 9, true],
  ] as const) {
    const net = defineNetwork('patches', v.strictObject({ classes: v.number() }), (b, images) => {
      const x = b.conv('first', images, { out: channels, kernel: 2, stride: 2, normalize: imageNorm });
      const [height, width] = [images.shape[1], images.shape[2]];
      const options = { out: classes, kernel: 2, stride: 2, height, width, bias };
      return b.convTranspose('last', b.prelu('act', x), options);
    })({ classes });
    const label = `${classes} classes, seed ${seed}`;
    const shape = [2, 34, 62] as const;
    const logits = await inference(referenceBackend, net, shape, 'logits', seed);
    const labels = await inference(wasmBackend, net, shape, 'labels', seed);
    // Ties of rounding apart: the logit of the label is the largest but for one part in 10⁵.
    for (let pixel = 0; pixel < labels.length; pixel++) {
      const all = logits.subarray(pixel * classes, (pixel + 1) * classes);
      const largest = Math.max(...all);
      assert.ok(all[labels[pixel]] > largest - 1e-5 * (1 + Math.abs(largest)), `${label}, pixel ${pixel}`);
    }
    const { scratchBytes } = wasmBackend;
    const [batch, height, width] = shape;
    const { steps } = compileProgram(compileInference(net, { batch, height, width, scratchBytes }), 2);
    assert.ok(
      steps.some((step) => step.kernel === 'convPatchLabels'),
      label,
    );
  }
});
