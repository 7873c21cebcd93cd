import assert from 'node:assert/strict';
import type { Executor } from '../../src/backends/backend.js';

/** A slot of f32 is read into the caller's array as into a new one; arrays of another kind or size are refused. */
export async function assertReadsInto(executor: Executor, slot: string): Promise<void> {
  const fresh = await executor.read(slot);
  const into = new Float32Array(fresh.length).fill(Number.NaN);
  assert.equal(await executor.read(slot, into), into);
  assert.deepEqual(into, fresh);
  const expected = `read: expected a Float32Array of ${fresh.length} elements, got a`;
  await assert.rejects(executor.read(slot, new Float32Array(fresh.length + 1)), {
    message: `${expected} Float32Array of ${fresh.length + 1}`,
  });
  await assert.rejects(executor.read(slot, new Uint8Array(fresh.length)), {
    message: `${expected} Uint8Array of ${fresh.length}`,
  });
  // A refused read takes nothing with it.
  assert.deepEqual(await executor.read(slot), fresh);
}
