import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cityscapesClasses } from '../../src/data/layouts/cityscapes.js';
import { renderScene } from '../../src/data/synth.js';
import { kernelNames } from '../backends/cases.js';
import { testSeed } from '../backends/harness.js';
import { hasChromium, openPage } from './serve.js';

type Library = typeof import('../../src/browser.js');

const seed = testSeed(61);
const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';

test('the browser entry in headless Chromium', { skip }, async (t) => {
  const { page, close } = await openPage();
  page.setDefaultTimeout(600_000);
  try {
    const available = await page.evaluate(async () => {
      const at = '/src/browser.js';
      const { listGpus } = (await import(at)) as Library;
      return listGpus();
    });
    if (available.length === 0) {
      t.skip('this Chromium has no WebGPU adapter');
      return;
    }
    assert.ok(available[0].isSoftware, 'the software adapter says so');

    await t.test('a software adapter is not chosen by itself', async () => {
      const message = await page.evaluate(async () => {
        const at = '/src/browser.js';
        const { webgpu } = (await import(at)) as Library;
        return webgpu().then(
          () => 'chosen',
          (error: Error) => error.message,
        );
      });
      assert.match(message, /no WebGPU on a real GPU/);
    });

    await t.test('a training step equals the float64 reference', async () => {
      const errors = await page.evaluate(async (name) => {
        const at = '/src/browser.js';
        const { compile, hyperOf, referenceBackend, vnet, webgpu } = (await import(at)) as Library;
        const net = vnet({ classes: 5, stem: 4, widths: [12, 28] });
        const size = { mode: 'train', batch: 2, height: 33, width: 38 } as const;
        const step = async (device: Parameters<typeof compile>[1]['device']) => {
          const executor = await compile(net, { ...size, device });
          const { images, labels } = executor.plan.slots;
          const pattern = (shape: readonly number[], below: number) =>
            Uint8Array.from({ length: shape.reduce((a, b) => a * b) }, (_, i) => (i * 2654435761) % below);
          executor.write('images', pattern(images.shape, 251));
          executor.write('labels', pattern(labels.shape, 5));
          executor.write('hyper', hyperOf({ kind: 'adam' }, 1e-3, 1));
          await executor.run('forward', 'backward', 'update');
          const result = { loss: await executor.read('loss'), grads: await executor.read('grads') };
          await executor.dispose();
          return result;
        };
        const expected = await step(referenceBackend);
        const actual = await step(await webgpu(name));
        const error = (a: ArrayLike<number>, b: ArrayLike<number>) => {
          let worst = 0;
          let largest = 0;
          for (let i = 0; i < b.length; i++) {
            worst = Math.max(worst, Math.abs(a[i] - b[i]));
            largest = Math.max(largest, Math.abs(b[i]));
          }
          return worst / largest;
        };
        return {
          loss: error(actual.loss, expected.loss),
          grads: error(actual.grads, expected.grads),
          length: expected.grads.length,
        };
      }, available[0].name);
      assert.ok(errors.length > 1000);
      assert.ok(errors.loss < 1e-5, `loss is off by ${errors.loss}`);
      assert.ok(errors.grads < 2e-4, `gradients are off by ${errors.grads}`);
    });

    await t.test('kernels equal the float64 reference', async () => {
      const failures = await page.evaluate(
        async ({ name, ops, seed }) => {
          const at = ['/src/browser.js', '/test/backends/cases.js', '/test/backends/harness.js'];
          const { webgpu } = (await import(at[0])) as Library;
          const { randomCase } = (await import(at[1])) as typeof import('../backends/cases.js');
          const harness = (await import(at[2])) as typeof import('../backends/harness.js');
          const assertParity = harness.assertParity as (...args: unknown[]) => Promise<void>;
          const backend = await webgpu(name);
          const failures: string[] = [];
          for (const op of ops) {
            const { inputs, attrs } = randomCase[op](harness.seededRandom(seed));
            const tolerance = { relative: 2e-5, label: `seed ${seed}` };
            await assertParity(backend, op, inputs, attrs, tolerance).catch((error: unknown) => {
              failures.push(`${op}: ${error}`);
            });
          }
          return failures;
        },
        { name: available[0].name, ops: kernelNames, seed },
      );
      assert.deepEqual(failures, []);
    });

    await t.test('kernels are measured, and remembered in the storage of the page', async () => {
      const { races, file, bytes, taken, chosen } = await page.evaluate(async (name) => {
        const at = '/src/browser.js';
        const { compileInference, openOpfs, tuneGpu, vnet, webgpu } = (await import(at)) as Library;
        const net = vnet({ classes: 2, alpha: 0, beta: 0, stem: 4, widths: [8, 16], pyramid: [3] });
        const size = { batch: 1, height: 32, width: 40 };
        const plans = (scratchBytes: Parameters<typeof compileInference>[1]['scratchBytes']) => [
          compileInference(net, { ...size, scratchBytes }),
        ];
        const { races, file } = await tuneGpu(name, { plans, seconds: 3 });
        const storage = await openOpfs('vnet-segmentation/webgpu', false);
        const backend = await webgpu(name);
        const [plan] = plans(backend.scratchBytes);
        return {
          races: races.map(({ entries }) => entries.length),
          file,
          bytes: file === undefined ? undefined : (await storage?.read(file))?.length,
          taken: plan.calls
            .filter(({ joined }) => !joined)
            .map(({ label, algorithm }) => `${label}: ${algorithm}`),
          chosen: races.flatMap(({ contest: { calls }, entries, chosen }) =>
            calls.length === 1 && entries.length > 0 ? [`${calls[0].label}: ${chosen}`] : [],
          ),
        };
      }, available[0].name);
      assert.ok(
        races.some((entries) => entries > 1),
        `entries of the races: ${races}`,
      );
      assert.match(file ?? '', /\.json$/);
      assert.ok(bytes !== undefined && bytes > 100);
      assert.ok(chosen.length > 0);
      for (const way of chosen) assert.ok(taken.includes(way), `${way} of ${taken.join(', ')}`);
    });

    await t.test('VNet learns synthetic scenes at 128×256', async () => {
      const scenes = [0, 1].map((index) => {
        const { image, labels } = renderScene(3, index, 128, 256);
        return {
          images: Buffer.from(image.data).toString('base64'),
          labels: Buffer.from(labels.data.map((id) => cityscapesClasses.mapping[id])).toString('base64'),
        };
      });
      const losses = await page.evaluate(
        async ({ name, scenes }) => {
          const at = '/src/browser.js';
          const { compile, hyperOf, vnet, webgpu } = (await import(at)) as Library;
          const bytes = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const device = await webgpu(name);
          const size = { mode: 'train', batch: 2, height: 128, width: 256 } as const;
          const executor = await compile(vnet({ classes: 19 }), { ...size, device });
          executor.write('images', bytes(scenes[0].images));
          executor.write('images', bytes(scenes[1].images), 128 * 256 * 3);
          executor.write('labels', bytes(scenes[0].labels));
          executor.write('labels', bytes(scenes[1].labels), 128 * 256);
          const losses: number[] = [];
          for (let step = 1; step <= 4; step++) {
            executor.write('hyper', hyperOf({ kind: 'adam' }, 5e-3, step));
            await executor.run('forward', 'backward', 'update');
            losses.push((await executor.read('loss'))[0]);
          }
          return losses;
        },
        { name: available[0].name, scenes },
      );
      const text = losses.map((loss) => loss.toFixed(3)).join(', ');
      assert.ok(losses.every(Number.isFinite), text);
      assert.ok(losses[3] < 0.9 * losses[0], `losses ${text}`);
    });
  } finally {
    await close();
  }
});
