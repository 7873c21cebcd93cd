import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { vnet } from '../../src/nets/vnet.js';
import { adapters, backendOn } from './gpu.js';
import { assertClose, testSeed } from './harness.js';
import { agreement, assertSameStep, inference, referenceStep, trainingStep } from './network.js';

const seed = testSeed(41);
const size = { batch: 2, height: 43, width: 70, policy: 'reversible' } as const;

for (const { name } of adapters.map(describeAdapter)) {
  test(`whole VNet on ${name}`, async (t) => {
    const net = vnet({ classes: 11 });
    const expected = await referenceStep(net, size, seed);
    const backend = await backendOn(name);
    const first = await trainingStep(backend, net, size, seed);

    await t.test('loss, gradients and statistics equal float64', () => {
      assertSameStep(first, expected, 2e-4, `seed ${seed}`);
    });

    await t.test('the same seed gives the same bits', async () => {
      const again = await trainingStep(backend, net, size, seed);
      for (const [key, values] of first) assert.deepEqual(again.get(key), values, key);
    });

    await t.test('folded inference: logits to 1e-4, labels equal but for ties of rounding', async () => {
      const shape = [1, 43, 72] as const;
      const logits = await inference(referenceBackend, net, shape, 'logits', seed);
      const label = `seed ${seed}`;
      assertClose(await inference(backend, net, shape, 'logits', seed), logits, { relative: 1e-4, label });
      const labels = await inference(referenceBackend, net, shape, 'labels', seed);
      const share = agreement(await inference(backend, net, shape, 'labels', seed), labels);
      assert.ok(share >= 0.999, `${share} of the labels agree`);
    });

    await t.test('an arena cut into small buffers and bindings gives the same bits', async () => {
      // Few parameters, so that feature maps are what must be cut: the stem's are 98 KiB.
      const narrow = vnet({ classes: 5, widths: [16, 24], alpha: 0, beta: 1 });
      const wide = { ...size, height: 64, width: 96 };
      const whole = await trainingStep(backend, narrow, wide, seed);
      const split = await backendOn(name, { bufferBytes: 128 * 1024, bindingBytes: 48 * 1024 });
      const cut = await trainingStep(split, narrow, wide, seed);
      for (const [key, values] of whole) assert.deepEqual(cut.get(key), values, key);
      split.dispose();
    });
    backend.dispose();
  });
}
