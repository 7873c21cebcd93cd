import assert from 'node:assert/strict';
import { test } from 'node:test';
import { footprint } from '../../bench/memory/measure.js';
import { cacheBudget } from '../../src/train/training-data.js';

test('a training step takes its plan and at most 200 MB more', async () => {
  const { planBytes, peakBytes, steps } = await footprint(4, 512, 1024);
  assert.equal(steps, 2);
  const megabytes = (peakBytes - planBytes) / 1e6;
  assert.ok(planBytes > 100e6 && megabytes > 0, `plan ${planBytes}, peak ${peakBytes}`);
  assert.ok(megabytes <= 200, `${megabytes.toFixed(0)} MB more than the plan of ${planBytes} bytes`);
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
