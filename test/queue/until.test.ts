import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { untilAborted } from '../../src/queue/until.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

test('waits end with the work or with the signal, whichever is first', async () => {
  const controller = new AbortController();
  const { until, end } = untilAborted(controller.signal);
  assert.equal(await until(Promise.resolve(3)), 3);
  await assert.rejects(until(Promise.reject(new Error('gone'))), /gone/);
  const [never, late] = [
    until(new Promise(() => undefined)),
    until(new Promise((_, reject) => setTimeout(reject, 5, new Error('late')))),
  ];
  controller.abort(new Error('stopped'));
  await assert.rejects(never, /stopped/);
  await assert.rejects(late, /stopped/);
  await assert.rejects(until(Promise.resolve(4)), /stopped/);
  end();
});

test('what was waited for is let go, however long the signal lives', async () => {
  const { until, end } = untilAborted(new AbortController().signal);
  const results: WeakRef<Uint8Array>[] = [];
  for (let i = 0; i < 200; i++) results.push(new WeakRef(await until(Promise.resolve(new Uint8Array(1000)))));
  // References live until the end of the turn that made them.
  await new Promise((resolve) => setTimeout(resolve, 5));
  collectGarbage();
  const held = results.filter((ref) => ref.deref()).length;
  assert.ok(held < 20, `${held} of ${results.length} results are held`);
  end();
});
