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

    // One network for both, since the software adapter compiles for minutes: narrow, with every op of the whole one.
    await t.test('a training step equals the float64 reference, and the next ones learn', async () => {
      const [height, width] = [65, 70];
      const scenes = [0, 1].map((index) => {
        const { image, labels } = renderScene(3, index, height, width);
        return {
          images: Buffer.from(image.data).toString('base64'),
          labels: Buffer.from(labels.data.map((id) => cityscapesClasses.mapping[id])).toString('base64'),
        };
      });
      const { ops, wholeOps, errors, losses } = await page.evaluate(
        async ({ name, scenes, height, width }) => {
          const at = '/src/browser.js';
          const { compile, hyperOf, referenceBackend, vnet, webgpu } = (await import(at)) as Library;
          const net = vnet({ classes: 19, stem: 4, widths: [12, 28], alpha: 0, beta: 1, pyramid: [3] });
          const size = { mode: 'train', batch: 2, height, width } as const;
          const bytes = (text: string) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
          const prepared = async (device: Parameters<typeof compile>[1]['device']) => {
            const executor = await compile(net, { ...size, device });
            for (const [i, { images, labels }] of scenes.entries()) {
              executor.write('images', bytes(images), i * height * width * 3);
              executor.write('labels', bytes(labels), i * height * width);
            }
            return executor;
          };
          type Prepared = Awaited<ReturnType<typeof prepared>>;
          const step = async (executor: Prepared, number: number) => {
            executor.write('hyper', hyperOf({ kind: 'adam' }, 5e-3, number));
            await executor.run('forward', 'backward', 'update');
            return (await executor.read('loss'))[0];
          };
          const error = (a: ArrayLike<number>, b: ArrayLike<number>) => {
            let worst = 0;
            let largest = 0;
            for (let i = 0; i < b.length; i++) {
              worst = Math.max(worst, Math.abs(a[i] - b[i]));
              largest = Math.max(largest, Math.abs(b[i]));
            }
            return worst / largest;
          };
          const reference = await prepared(referenceBackend);
          const device = await webgpu(name);
          const executor = await prepared(device);
          const losses = [await step(executor, 1)];
          const loss = error(losses, [await step(reference, 1)]);
          const grads = error(await executor.read('grads'), await reference.read('grads'));
          while (losses.length < 6) losses.push(await step(executor, losses.length + 1));
          const whole = await compile(vnet({ classes: 19 }), { ...size, device: referenceBackend });
          const opsOf = ({ plan }: Prepared) => [...new Set(plan.calls.map(({ op }) => op))].sort();
          const [ops, wholeOps] = [opsOf(reference), opsOf(whole)];
          await Promise.all([reference, executor, whole].map((one) => one.dispose()));
          return { ops, wholeOps, errors: { loss, grads }, losses };
        },
        { name: available[0].name, scenes, height, width },
      );
      assert.deepEqual(ops, wholeOps);
      assert.ok(errors.loss < 1e-5, `loss is off by ${errors.loss}`);
      assert.ok(errors.grads < 2e-4, `gradients are off by ${errors.grads}`);
      const text = losses.map((loss) => loss.toFixed(3)).join(', ');
      assert.ok(losses.every(Number.isFinite), text);
      assert.ok(losses[5] < 0.9 * losses[0], `losses ${text}`);
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
        // Two calls that run faster as one go the way of the pair, whatever each of them was fastest by.
        const joined = new Set(plan.calls.filter((call) => call.joined).map(({ label }) => label));
        return {
          races: races.map(({ entries }) => entries.length),
          file,
          bytes: file === undefined ? undefined : (await storage?.read(file))?.length,
          taken: plan.calls
            .filter(({ label }) => !joined.has(label))
            .map(({ label, algorithm }) => `${label}: ${algorithm}`),
          chosen: races.flatMap(({ contest: { calls }, entries, chosen }) =>
            calls.length === 1 && entries.length > 0 && !joined.has(calls[0].label)
              ? [`${calls[0].label}: ${chosen}`]
              : [],
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

    await t.test('a GPU that is lost is one line; another one is opened after it', async () => {
      const held = await page.evaluateHandle(async (name) => {
        const at = '/src/browser.js';
        const { compile, vnet } = (await import(at)) as Library;
        const net = vnet({ classes: 2, alpha: 0, beta: 0, stem: 4, widths: [8, 16], pyramid: [3] });
        // By its name, a device is opened once and kept; one that is lost is not.
        const open = () =>
          compile(net, { mode: 'infer', batch: 1, height: 32, width: 40, device: 'webgpu', gpu: name });
        const run = async (executor: Awaited<ReturnType<typeof open>>) => {
          await executor.run('prepare', 'forward');
          return (await executor.read('prediction')).length;
        };
        return { executor: await open(), open, run };
      }, available[0].name);
      assert.equal(await held.evaluate(({ executor, run }) => run(executor)), 32 * 40);
      const session = await page.context().browser()!.newBrowserCDPSession();
      const running = held.evaluate(async ({ executor, run }) => {
        for (;;) {
          try {
            await run(executor);
          } catch (error) {
            return String(error);
          }
        }
      });
      await session.send('Browser.crashGpuProcess').catch(() => undefined);
      assert.match(await running, /^UserError: webgpu: the GPU was lost \(.*\); start again$/);
      const [first, again] = await held.evaluate(async ({ executor, open, run }) => [
        await run(executor).catch(String),
        await open().then(run),
      ]);
      assert.match(String(first), /the GPU was lost/);
      assert.equal(again, 32 * 40);
    });
  } finally {
    await close();
  }
});
