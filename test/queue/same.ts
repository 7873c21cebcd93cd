import assert from 'node:assert/strict';
import { readTraining } from '../../src/train/checkpoint.js';

/** Far more than anything waited for takes, on any machine: a test that hangs fails, and says where. */
const longestMs = 180_000;

/**
 * Resolves once `test` gives something true; looks twenty times a second.
 * @throws where that takes three minutes.
 */
export async function until<T>(test: () => Promise<T> | T): Promise<T> {
  const start = performance.now();
  for (;;) {
    const found = await test();
    if (found) return found;
    if (performance.now() - start > longestMs) throw new Error(`not so after ${longestMs / 1000} s: ${test}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Weights and moments of two checkpoints, bit for bit. */
export async function assertSameTraining(actual: string, expected: string): Promise<void> {
  const [a, b] = await Promise.all([readTraining(actual), readTraining(expected)]);
  for (const part of ['weights', 'optimizer'] as const) {
    assert.deepEqual([...a[part].keys()], [...b[part].keys()]);
    for (const [name, { data }] of b[part])
      assert.ok(
        Buffer.from(data.buffer).equals(Buffer.from(a[part].get(name)!.data.buffer)),
        `${part}: ${name}`,
      );
  }
}
