import assert from 'node:assert/strict';
import { readTraining } from '../../src/train/checkpoint.js';

/** Resolves once `test` gives something true; looks twenty times a second. */
export async function until<T>(test: () => Promise<T> | T): Promise<T> {
  for (;;) {
    const found = await test();
    if (found) return found;
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
