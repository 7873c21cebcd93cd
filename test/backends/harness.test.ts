import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { ReferenceExecutor, referenceBackend } from '../../src/backends/reference/index.js';
import type { Plan } from '../../src/graph/planned.js';
import type { Layout } from './harness.js';
import { assertClose, assertParity, randomTensor, runOp, seededRandom, testSeed } from './harness.js';

const seed = testSeed(1);
const label = `seed ${seed}`;

/** The reference with a fault: after each run `damage` changes one tensor of the plan. */
function faulty(damage: (executor: ReferenceExecutor, plan: Plan) => void): Backend {
  return {
    ...referenceBackend,
    async prepare(plan) {
      const executor = await referenceBackend.prepare(plan);
      const run = executor.run.bind(executor);
      executor.run = async (...phases) => {
        await run(...phases);
        damage(executor, plan);
      };
      return executor;
    },
  };
}

test('views, shared memory and in-place outputs give the dense result', async () => {
  const rng = seededRandom(seed);
  const a = randomTensor(rng, [2, 3, 4, 5]);
  const b = randomTensor(rng, [2, 3, 4, 5]);
  const expected = a.data.map((value, i) => value - b.data[i]);
  const layouts: Layout[] = [
    {},
    { inPlace: { y: 'a' } },
    { inPlace: { y: 'b' }, views: { b: { pixelStride: 9, channelOffset: 3 } } },
    {
      views: {
        a: { pixelStride: 16, channelOffset: 0, memory: 'wide' },
        b: { pixelStride: 7, channelOffset: 1 },
        y: { pixelStride: 16, channelOffset: 6, memory: 'wide' },
      },
    },
  ];
  for (const layout of layouts) {
    const { y } = await runOp(referenceBackend, 'add', { a, b }, { sign: -1 }, layout);
    assertClose(y.data, expected, { relative: 1e-7, label });
  }
});

test('faults of a backend are caught', async () => {
  const rng = seededRandom(seed);
  const x = randomTensor(rng, [1, 2, 2, 3]);
  const wide = {
    views: { x: { pixelStride: 8, channelOffset: 4 }, y: { pixelStride: 8, channelOffset: 4 } },
  };
  const run = (backend: Backend, layout = wide) =>
    assertParity(backend, 'scale', { x }, { factor: 2 }, { relative: 1e-6, label, layout });
  await run(referenceBackend);
  const one = Float32Array.of(5);
  await assert.rejects(
    run(faulty((executor) => executor.write('y', one, 5))),
    /\.y on reference: element 1 /,
  );
  await assert.rejects(run(faulty((executor) => executor.write('y', one, 3))), /wrote outside its outputs/);
  await assert.rejects(run(faulty((executor) => executor.write('x', one, 5))), /wrote outside its outputs/);
  await assert.rejects(run(faulty((executor) => executor.write('guard0', one, 15))), /memory around/);
  await assert.rejects(
    run(faulty((executor) => executor.write('y', Float32Array.of(Number.NaN), 4))),
    /element 0 of 12 is NaN/,
  );
});

test('an output that is not written is NaN', async () => {
  const idle: Backend = {
    ...referenceBackend,
    prepare: async (plan) => new ReferenceExecutor(plan, () => {}),
  };
  const { y } = await runOp(
    idle,
    'scale',
    { x: randomTensor(seededRandom(seed), [1, 1, 1, 4]) },
    { factor: 1 },
  );
  assert.ok(y.data.every(Number.isNaN));
});

test('scratch is private, poisoned and checked to lie inside the arena', async () => {
  const plans: Plan[] = [];
  const hungry: Backend = {
    ...referenceBackend,
    scratchBytes: () => 100,
    async prepare(plan) {
      plans.push(plan);
      return referenceBackend.prepare(plan);
    },
  };
  await runOp(hungry, 'scale', { x: randomTensor(seededRandom(seed), [1, 1, 1, 4]) }, { factor: 1 });
  const [{ calls, slots, arenaBytes }] = plans;
  assert.equal(calls[0].scratch.bytes, 100);
  assert.equal(calls[0].scratch.offset, slots.scratch.offset);
  assert.ok(calls[0].scratch.offset + 100 <= arenaBytes);
});

test('closeness is relative to the largest expected magnitude, and NaN is never close', () => {
  assertClose([100, 1.0009], [100, 1], { relative: 1e-5, label });
  assert.throws(
    () => assertClose([100, 1.002], [100, 1], { relative: 1e-5, label }),
    /element 1 of 2 is 1.002/,
  );
  assert.throws(() => assertClose([Number.NaN], [0], { relative: 1, absolute: 1, label }), /NaN/);
  assert.throws(() => assertClose([1], [1, 2], { relative: 1, label }), /number of elements/);
});
