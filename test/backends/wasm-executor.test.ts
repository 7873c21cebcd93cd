import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { createWasmBackend, wasmBackend } from '../../src/backends/wasm/index.js';
import { UserError } from '../../src/errors.js';
import type { Call, Plan, Slot, TensorRef } from '../../src/graph/planned.js';
import type { Shape } from '../../src/ir/value.js';
import {
  assertClose,
  assertParity,
  randomBytes,
  randomTensor,
  runOp,
  seededRandom,
  testSeed,
} from './harness.js';
import { assertReadsInto } from './readsInto.js';

const seed = testSeed(31);

const slotAt = (name: string, shape: Shape, offset: number, pixelStride = shape[3]): Slot => ({
  ...{ name, dtype: 'f32', shape, offset, pixelStride, role: 'input' },
});

const scaleCall = (x: TensorRef, y: TensorRef, factor: number, phase: Call['phase']): Call => ({
  ...{ op: 'scale', label: 'test.scale', phase, inputs: { x }, outputs: { y }, attrs: { factor } },
  ...{ scratch: { offset: 0, bytes: 0 }, flops: 0 },
});

function planOf(calls: Call[], slots: Slot[], arenaBytes: number): Plan {
  const peak = { label: '', phase: 'forward', bytes: arenaBytes } as const;
  return {
    ...{
      calls,
      arenaBytes,
      persistentBytes: arenaBytes,
      flatParams: { offset: 0, length: 0 },
      parameters: 0,
    },
    slots: Object.fromEntries(slots.map((slot) => [slot.name, slot])),
    ...{ timeline: [peak], peak },
  };
}

test('the reference reads into an array of the caller too', async () => {
  const x = slotAt('x', [1, 2, 2, 3], 0, 5);
  const executor = await referenceBackend.prepare(planOf([], [x], 128));
  executor.write(
    'x',
    Float32Array.from({ length: 12 }, (_, i) => i),
  );
  await assertReadsInto(executor, 'x');
  await executor.dispose();
});

test('phases run in plan order, slots are read and written through pixel strides', async () => {
  const x = slotAt('x', [1, 2, 2, 3], 0, 5);
  const y = slotAt('y', [1, 2, 2, 3], 128, 4);
  const calls = [
    scaleCall(x, y, 2, 'forward'),
    scaleCall(y, y, 5, 'backward'),
    scaleCall(y, y, 3, 'forward'),
  ];
  const executor = await wasmBackend.prepare(planOf(calls, [x, y], 256), { threads: 3 });
  try {
    const data = Float32Array.from({ length: 12 }, (_, i) => i);
    executor.write('x', data);
    executor.write('x', Float32Array.of(70, 80, 90, 100), 4);
    assert.deepEqual([...(await executor.read('x'))], [0, 1, 2, 3, 70, 80, 90, 100, 8, 9, 10, 11]);
    await assertReadsInto(executor, 'x');
    await executor.run('forward');
    const expected = [...(await executor.read('x'))].map((value) => value * 6);
    assert.deepEqual([...(await executor.read('y'))], expected);
    assert.equal((await executor.profile('backward')).length, 1);
    assert.deepEqual(
      [...(await executor.read('y'))],
      expected.map((value) => value * 5),
    );
    assert.throws(() => executor.write('x', data, 1), /do not fit/);
    assert.throws(() => executor.write('x', new Uint8Array(12)), /Float32Array/);
    assert.throws(() => executor.write('z', data), /no slot 'z'/);
    await assert.rejects(Promise.all([executor.run('forward'), executor.run('forward')]), /await it/);
  } finally {
    await executor.dispose();
  }
});

test('a kernel that traps rejects the run and leaves the others usable', async () => {
  const x = slotAt('x', [1, 1, 1, 4], 0);
  const outside: TensorRef = slotAt('y', [1, 1, 1, 4], 2 ** 30);
  const calls = [scaleCall(x, outside, 2, 'forward'), scaleCall(x, x, 2, 'backward')];
  const executor = await wasmBackend.prepare(planOf(calls, [x], 64), { threads: 3 });
  try {
    executor.write('x', Float32Array.of(1, 2, 3, 4));
    await assert.rejects(executor.run('forward'), /kernel failed.*out of bounds/);
    await executor.run('backward');
    assert.deepEqual([...(await executor.read('x'))], [2, 4, 6, 8]);
  } finally {
    await executor.dispose();
  }
  await assert.rejects(executor.run('backward'), /disposed/);
});

test('more memory than there can be is an error that says what to do', async () => {
  await assert.rejects(wasmBackend.prepare(planOf([], [], 5 * 2 ** 30), { threads: 1 }), (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /needs 5121 MiB.*4096 MiB.*`batch`/);
    return true;
  });
});

test('an idle executor does not keep the process alive', async () => {
  const script = `
    const { wasmBackend } = await import(${JSON.stringify(new URL('../../src/backends/wasm/index.js', import.meta.url).href)});
    const x = { name: 'x', dtype: 'f32', shape: [1, 1, 1, 4], offset: 0, pixelStride: 4 };
    const call = { op: 'scale', phase: 'forward', inputs: { x }, outputs: { y: x }, attrs: { factor: 2 }, scratch: { offset: 0, bytes: 0 } };
    const executor = await wasmBackend.prepare({ calls: [call], arenaBytes: 64, slots: { x } }, { threads: 2 });
    executor.write('x', Float32Array.of(1, 2, 3, 4));
    await executor.run('forward');
    console.log(String(await executor.read('x')));`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 60_000,
  });
  assert.equal(stdout.trim(), '2,4,6,8');
});

test('a run that is thrown away ends with its executor, also where nothing else keeps the process alive', async () => {
  const script = `
    const { wasmBackend } = await import(${JSON.stringify(new URL('../../src/backends/wasm/index.js', import.meta.url).href)});
    const x = { name: 'x', dtype: 'f32', shape: [1, 1, 1, 4], offset: 0, pixelStride: 4 };
    const call = { op: 'scale', phase: 'forward', inputs: { x }, outputs: { y: x }, attrs: { factor: 2 }, scratch: { offset: 0, bytes: 0 } };
    let ended = 0;
    for (let i = 0; i < 30; i++) {
      const executor = await wasmBackend.prepare({ calls: [call], arenaBytes: 64, slots: { x } }, { threads: 2 });
      await executor.run('forward');
      const run = executor.run('forward').then(() => ended++, () => ended++);
      // Replies arrive while the threads are being ended.
      for (let turns = 0; turns < i % 5; turns++) await new Promise(setImmediate);
      await executor.dispose();
      await run;
    }
    console.log(ended);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 60_000,
  });
  assert.equal(stdout.trim(), '30');
});

test('batch statistics of large means keep the digits of the variance', async () => {
  const rng = seededRandom(seed);
  for (const channels of [1, 6, 20]) {
    const x = randomTensor(rng, [2, 61, 67, channels], 999, 1001);
    const { stats } = await runOp(createWasmBackend('plain'), 'batchStats', { x }, { eps: 0 });
    const count = x.data.length / channels;
    const variance = Array.from({ length: channels }, (_, c) => {
      const values = Array.from({ length: count }, (__, i) => x.data[i * channels + c]);
      const mean = values.reduce((sum, value) => sum + value, 0) / count;
      return values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / count;
    });
    const actual = stats.data.subarray(channels, 2 * channels);
    assertClose(actual, variance, { relative: 1e-6, label: `seed ${seed}, ${channels} channels` });
  }
});

test('cross-entropy of extreme logits, and of no labelled pixel', async () => {
  const rng = seededRandom(seed);
  const attrs = { ignore: 255, labelSmoothing: 0 };
  for (const largest of [60, 300]) {
    const logits = randomTensor(rng, [1, 5, 7, 19], -largest, largest);
    const labels = randomBytes(rng, [1, 40, 56, 1], 19);
    // Logits of hundreds have seven digits: the exponentials of their differences keep five.
    const tolerance = { relative: 5e-5, label: `seed ${seed}, logits to ±${largest}` };
    await assertParity(wasmBackend, 'crossEntropy', { logits, labels }, attrs, tolerance);
    const none = { shape: labels.shape, data: new Uint8Array(labels.data.length).fill(255) };
    const exactly = { relative: 0, label: 'no labels' };
    await assertParity(wasmBackend, 'crossEntropy', { logits, labels: none }, attrs, exactly);
  }
});

test('cross-entropy of logits at full size, in both builds', async () => {
  const rng = seededRandom(seed);
  for (const build of ['plain', 'relaxed'] as const) {
    for (const classes of [2, 4, 5, 11, 19, 22]) {
      // More pixels than one chunk has, and some that no label is given.
      const height = 37 + rng.int(20);
      const logits = randomTensor(rng, [2, height, 61, classes], -20, 20);
      const labels = randomBytes(rng, [2, height, 61, 1], classes, 255);
      labels.data.fill(255, 100, 200);
      const classWeights = rng.chance(0.5) ? randomTensor(rng, [1, 1, 1, classes], 0.5, 3) : undefined;
      const attrs = { ignore: 255, labelSmoothing: rng.pick([0, 0.1]) };
      await assertParity(createWasmBackend(build), 'crossEntropy', { logits, labels, classWeights }, attrs, {
        relative: 2e-5,
        label: `seed ${seed}, ${build}, 2×${height}×61×${classes}`,
        layout: { views: { glogits: { pixelStride: classes + 5, channelOffset: 3 } } },
      });
    }
  }
  const logits = randomTensor(rng, [1, 9, 70, 19], -300, 300);
  const labels = randomBytes(rng, [1, 9, 70, 1], 19);
  const attrs = { ignore: 255, labelSmoothing: 0 };
  const label = `seed ${seed}, logits to ±300`;
  await assertParity(wasmBackend, 'crossEntropy', { logits, labels }, attrs, { relative: 5e-5, label });
  const none = { shape: labels.shape, data: new Uint8Array(labels.data.length).fill(255) };
  const exactly = { relative: 0, label: 'no labels' };
  await assertParity(wasmBackend, 'crossEntropy', { logits, labels: none }, attrs, exactly);
});

test('cross-entropy of rows at an eighth and a sixteenth of the size, of few and many classes', async () => {
  const rng = seededRandom(seed);
  for (const [stride, classes, labelSmoothing] of [
    [8, 19, 0],
    [8, 24, 0.1],
    [16, 2, 0.2],
  ] as const) {
    const logits = randomTensor(rng, [1, 3, 33, classes], -20, 20);
    const labels = randomBytes(rng, [1, 3 * stride, 33 * stride, 1], classes, 255);
    // Whole objects, of which one is not labelled: neighbours that agree go another way than those that do not.
    labels.data.copyWithin(100, 99, 100 + 20 * stride).fill(255, 1000, 1100);
    const classWeights = randomTensor(rng, [1, 1, 1, classes], 0.5, 3);
    const label = `seed ${seed}, stride ${stride}, ${classes} classes`;
    const attrs = { ignore: 255, labelSmoothing };
    await assertParity(wasmBackend, 'crossEntropy', { logits, labels, classWeights }, attrs, {
      relative: 2e-5,
      label,
    });
  }
});
