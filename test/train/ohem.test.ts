import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { vnet } from '../../src/nets/vnet.js';
import { testSeed } from '../backends/harness.js';
import { assertSameStep, referenceStep, trainingStep } from '../backends/network.js';

const seed = testSeed(61);
const size = { batch: 2, height: 67, width: 93 };
const net = vnet({ classes: 7, stem: 6, widths: [20, 44] });

test('a step on hard pixels: wasm equals float64, and the hard pixels have the larger loss', async () => {
  const hard = { threshold: 0.1, least: 0.25 };
  const mined = await trainingStep(wasmBackend, net, { ...size, hard }, seed);
  assertSameStep(mined, await referenceStep(net, { ...size, hard }, seed), 2e-4, `seed ${seed}`);
  const all = await trainingStep(wasmBackend, net, size, seed);
  const [[minedLoss, minedPixels], [allLoss, allPixels]] = [mined.get('loss')!, all.get('loss')!];
  assert.ok(minedPixels >= 0.25 * allPixels && minedPixels < allPixels, `${minedPixels} of ${allPixels}`);
  assert.ok(minedLoss > allLoss, `${minedLoss} on hard pixels, ${allLoss} on all`);
});

test('where everything is hard, the step is that of the whole loss, bit for bit', async () => {
  const everything = await trainingStep(
    wasmBackend,
    net,
    { ...size, hard: { threshold: 0, least: 1 } },
    seed,
  );
  const all = await trainingStep(wasmBackend, net, size, seed);
  for (const [name, values] of all) assert.deepEqual(everything.get(name), values, name);
});
