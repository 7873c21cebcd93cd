import assert from 'node:assert/strict';
import { test } from 'node:test';
import { f16round } from '@petamoriken/float16';
import { roundToHalf } from '../../src/backends/reference/half.js';
import { seededRandom, testSeed } from './harness.js';

const seed = testSeed(72);

test('rounding to float16 equals another implementation, at ties, subnormals and overflow too', () => {
  const rng = seededRandom(seed);
  const special = [
    0,
    -0,
    1,
    65504,
    65519.99,
    65520,
    1e300,
    Number.POSITIVE_INFINITY,
    2 ** -24,
    2 ** -25,
    2 ** -14,
  ];
  const ties = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 1.5 * 2 ** -24, 2.5 * 2 ** -24, 2049, 2051];
  const random = Array.from({ length: 10_000 }, () => rng.range(-2, 2) * 2 ** rng.range(-30, 18));
  for (const value of [...special, ...ties, ...random]) {
    for (const signed of [value, -value]) {
      // Adding zero makes one of the two zeros.
      assert.equal(roundToHalf(signed) + 0, f16round(signed) + 0, `${signed}, seed ${seed}`);
    }
  }
  assert.ok(Number.isNaN(roundToHalf(Number.NaN)));
});
