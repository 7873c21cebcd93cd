import assert from 'node:assert/strict';
import { test } from 'node:test';
import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Plan, Slot } from '../../src/graph/planned.js';
import type { KernelName, OutputsOf } from '../../src/ops/index.js';
import { kernelNames, randomCase } from './cases.js';
import type { Layout, Tensor, Tensors, View } from './harness.js';
import { assertClose, runOp, seededRandom, testSeed, waysInPlace } from './harness.js';

const seed = testSeed(2);

/** Every float tensor as channels of a wider one; outputs that can, over their input. */
function layoutsOf(
  op: KernelName,
  inputs: Readonly<Record<string, Tensor | undefined>>,
  outputs: object,
): Layout[] {
  const views: Record<string, View> = {};
  for (const [name, value] of [
    ...Object.entries(inputs),
    ...Object.entries(outputs as Record<string, Tensor>),
  ]) {
    if (value) views[name] = { pixelStride: value.shape[3] + 5, channelOffset: 2 };
  }
  return [{ views }, ...waysInPlace(op, inputs).map((inPlace) => ({ views, inPlace }))];
}

for (const op of kernelNames) {
  test(`${op}: places of tensors do not change the result`, async () => {
    const rng = seededRandom(seed);
    for (let repeat = 0; repeat < 8; repeat++) await checkPlaces(op, rng, `seed ${seed}, repeat ${repeat}`);
  });
}

async function checkPlaces<K extends KernelName>(op: K, rng: ReturnType<typeof seededRandom>, label: string) {
  const { inputs, attrs } = randomCase[op](rng);
  const expected: Tensors<OutputsOf<K>> = await runOp(referenceBackend, op, inputs, attrs);
  for (const layout of layoutsOf(op, inputs, expected)) {
    const actual = await runOp(referenceBackend, op, inputs, attrs, layout);
    const where = `${label}, ${JSON.stringify(layout.inPlace ?? 'views')}`;
    for (const [name, { data }] of Object.entries(expected as Record<string, Tensor>)) {
      assertClose((actual as Record<string, Tensor>)[name].data, data, {
        relative: 0,
        label: `${where}: ${name}`,
      });
    }
  }
}

test('the executor keeps float64, writes parts of slots, runs the phases asked for', async () => {
  const slot: Omit<Slot, 'name' | 'offset'> = {
    dtype: 'f32',
    shape: [1, 1, 2, 2],
    pixelStride: 3,
    role: 'input',
  };
  const slots = { x: { ...slot, name: 'x', offset: 0 }, y: { ...slot, name: 'y', offset: 64 } };
  const labels = {
    name: 'l',
    dtype: 'u8',
    shape: [1, 1, 1, 3],
    offset: 128,
    pixelStride: 3,
    role: 'input',
  } as const;
  const call = (phase: 'forward' | 'update', factor: number): Plan['calls'][number] => ({
    ...{ op: 'scale', label: 'double', phase, inputs: { x: slots.x }, outputs: { y: slots.y } },
    ...{ attrs: { factor }, scratch: { offset: 0, bytes: 0 }, flops: 4 },
  });
  const peak = { label: 'double', phase: 'forward', bytes: 192 } as const;
  const plan: Plan = {
    ...{ calls: [call('forward', 2), call('update', 3)], arenaBytes: 192, persistentBytes: 192 },
    ...{ slots: { ...slots, l: labels }, flatParams: { offset: 0, length: 0 }, parameters: 0 },
    ...{ timeline: [peak], peak },
  };
  const executor = await referenceBackend.prepare(plan);
  executor.writeFloat64('x', Float64Array.of(0.1, 0.2, 0.3, 0.4));
  executor.write('x', Float32Array.of(7), 2);
  executor.write('l', Uint8Array.of(1, 2, 3));
  await executor.run('forward');
  assert.deepEqual(executor.readFloat64('y'), Float64Array.of(0.2, 0.4, 14, 0.8));
  assert.deepEqual(await executor.read('y'), Float32Array.of(0.2, 0.4, 14, 0.8));
  assert.deepEqual(await executor.read('l'), Uint8Array.of(1, 2, 3));
  assert.equal((await executor.profile('update')).length, 1);
  assertClose(executor.readFloat64('y'), [0.3, 0.6, 21, 1.2], { relative: 1e-15, label: 'update' });
  assert.throws(
    () => executor.write('x', Float32Array.of(1, 2), 3),
    /'x' has 4 elements; got 2 from element 3/,
  );
  assert.throws(() => executor.write('l', Float32Array.of(1)), /'l' holds u8, not f32/);
  assert.throws(() => executor.write('z', Float32Array.of(1)), /no slot 'z' in the plan; it has x, y, l/);
});
