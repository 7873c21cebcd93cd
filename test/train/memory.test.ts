import assert from 'node:assert/strict';
import { test } from 'node:test';
import { footprint } from '../../bench/memory/measure.js';
import { cacheBudget } from '../../src/train/training-data.js';

/**
 * Of 200 MB that a step may take beside its plan, Node 20 itself is 46 as mapped files, and later ones are 56 to 60: what is
 * left is counted without them.
 */
const most = 155;

test('a training step takes its plan, Node, and at most 155 MB more', async () => {
  const { planBytes, peakBytes, programBytes, steps } = await footprint(4, 512, 1024);
  assert.equal(steps, 2);
  const megabytes = (peakBytes - planBytes - programBytes) / 1e6;
  assert.ok(planBytes > 100e6 && megabytes > 0, `plan ${planBytes}, peak ${peakBytes}`);
  assert.ok(
    megabytes <= most,
    `${megabytes.toFixed(0)} MB more than Node and the plan of ${planBytes} bytes`,
  );
});

test('the cache is what was asked for, or an eighth of what is left, and nothing for large images', () => {
  const small = { height: 360, width: 480 };
  const large = { height: 1024, width: 2048 };
  assert.equal(cacheBudget({}, small, 800), 100);
  assert.equal(cacheBudget({}, small, -5), 0);
  assert.equal(cacheBudget({}, small, 2 ** 40), 2 ** 30);
  assert.equal(cacheBudget({}, large, 2 ** 40), 0);
  assert.equal(cacheBudget({ cacheMiB: 3 }, large, 0), 3 * 2 ** 20);
});
