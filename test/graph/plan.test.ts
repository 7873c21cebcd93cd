import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileInference, compileTraining } from '../../src/compile.js';
import { UserError } from '../../src/errors.js';
import { packIntervals } from '../../src/graph/arena.js';
import type { Policy } from '../../src/graph/differentiate.js';
import type { VNetOptions } from '../../src/nets/vnet.js';
import { vnet } from '../../src/nets/vnet.js';
import { seededRandom, testSeed } from '../backends/harness.js';

const MiB = 2 ** 20;
const seed = testSeed(30);

const arena = (options: VNetOptions, policy: Policy): number =>
  compileTraining(vnet(options), { batch: 4, height: 1024, width: 2048, policy, scratchBytes: () => 0 })
    .arenaBytes / MiB;

test('packing never lets two live blocks overlap and reaches the bound when blocks are equal', () => {
  const rng = seededRandom(seed);
  for (let round = 0; round < 200; round++) {
    const equal = round % 4 === 0;
    const blocks = Array.from({ length: 1 + rng.int(40) }, () => {
      const start = rng.int(30);
      return { bytes: equal ? 64 : 64 * rng.int(20), start, end: start + rng.int(10) };
    });
    const { offsets, bytes } = packIntervals(blocks);
    const liveAt = (step: number) =>
      blocks.reduce((sum, b) => sum + (b.start <= step && step <= b.end ? b.bytes : 0), 0);
    const peak = Math.max(...Array.from({ length: 45 }, (_, step) => liveAt(step)));
    assert.ok(bytes >= peak, `round ${round}`);
    if (equal) assert.equal(bytes, peak, `round ${round}: interval graphs of equal blocks pack perfectly`);
    blocks.forEach((a, i) => {
      assert.ok(offsets[i] + a.bytes <= bytes);
      blocks.slice(0, i).forEach((b, j) => {
        const together = a.start <= b.end && b.start <= a.end && a.bytes > 0 && b.bytes > 0;
        const apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
        assert.ok(!together || apart, `round ${round}: blocks ${i} and ${j} overlap`);
      });
    });
  }
});

test('default VNet has the 0.16 M parameters of the paper', () => {
  const plan = compileTraining(vnet({ classes: 19 }), {
    batch: 1,
    height: 64,
    width: 64,
    scratchBytes: () => 0,
  });
  assert.ok(Math.abs(plan.parameters - 163_000) <= 1_630, `${plan.parameters}`);
});

test('four full-size images train in 512 MiB; depth costs the reversible policy nearly nothing', () => {
  const reversible = arena({ classes: 19 }, 'reversible');
  const save = arena({ classes: 19 }, 'save');
  assert.ok(reversible <= 512, `${reversible} MiB`);
  assert.ok(save >= 2 * reversible, `${save} MiB`);
  const deepReversible = arena({ classes: 19, alpha: 4, beta: 12 }, 'reversible');
  const deepSave = arena({ classes: 19, alpha: 4, beta: 12 }, 'save');
  assert.ok(deepReversible < 1.05 * reversible, `${deepReversible} MiB`);
  assert.ok(deepSave > 2.5 * save, `${deepSave} MiB`);
});

test('the arena is no larger than the most that lives at one time', () => {
  const plan = compileTraining(vnet({ classes: 19 }), {
    batch: 4,
    height: 1024,
    width: 2048,
    scratchBytes: () => 0,
  });
  assert.ok(plan.arenaBytes <= 1.02 * plan.peak.bytes, `${plan.arenaBytes} of ${plan.peak.bytes}`);
});

test('inference folds batch norm away: convolutions, poolings and one argmax are all that runs', () => {
  const plan = compileInference(vnet({ classes: 19 }), {
    batch: 1,
    height: 1024,
    width: 2048,
    scratchBytes: () => 0,
  });
  const kinds = new Set(plan.calls.filter((call) => call.phase === 'forward').map((call) => call.op));
  assert.deepEqual(kinds, new Set(['conv2d', 'pyramidPool', 'resizeArgmax']));
  assert.deepEqual(plan.slots.prediction.shape, [1, 1024, 2048, 1]);
});

test('sizes below 32 and batches below 1 are refused in one line', () => {
  const compile = (height: number, batch: number) => () =>
    compileTraining(vnet({ classes: 19 }), { batch, height, width: 64, scratchBytes: () => 0 });
  assert.throws(compile(31, 1), (error) => error instanceof UserError && /31x64.*32x32/.test(error.message));
  assert.throws(compile(32, 0), (error) => error instanceof UserError && /`batch: 0`/.test(error.message));
});
