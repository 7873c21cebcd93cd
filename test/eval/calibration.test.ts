import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Rng } from '../../src/data/rng.js';
import { Calibration } from '../../src/eval/calibration.js';

test('known pixels: bins, means, the error; what carries no label is left out', () => {
  const calibration = new Calibration();
  // Two sure pixels, of which one is wrong; one at 0.6 that is right; one unlabelled, one of no class.
  const labels = Uint8Array.of(0, 1, 2, 255, 9);
  calibration.add(labels, Uint8Array.of(0, 0, 2, 0, 9), Uint8Array.of(255, 255, 153, 255, 255), 3);
  const { bins, error } = calibration;
  assert.equal(bins.length, 15);
  assert.deepEqual([bins[14].pixels, bins[14].confidence, bins[14].accuracy], [2, 1, 0.5]);
  // 0.6 is the upper edge of the ninth interval.
  assert.deepEqual([bins[8].pixels, bins[8].confidence, bins[8].accuracy], [1, 0.6, 1]);
  assert.ok(bins.every(({ pixels, accuracy }) => pixels > 0 || accuracy === undefined));
  assert.ok(Math.abs(error! - (2 * 0.5 + 0.4) / 3) < 1e-12);
  assert.equal(new Calibration().error, undefined);
});

test('pixels that are right as often as they say have no error, those that say more have what they say more', (t) => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  t.diagnostic(`SEED=${seed}`);
  const rng = Rng.of(seed);
  const count = 200_000;
  const confidence = Uint8Array.from({ length: count }, () => 100 + rng.int(156));
  const right = (i: number, less: number) => (rng.next() < confidence[i] / 255 - less ? 0 : 1);
  for (const less of [0, 0.2]) {
    const calibration = new Calibration();
    const prediction = Uint8Array.from({ length: count }, (_, i) => right(i, less));
    calibration.add(new Uint8Array(count), prediction, confidence, 2);
    assert.ok(Math.abs(calibration.error! - less) < 0.015, `${calibration.error}, expected ${less}`);
  }
});
