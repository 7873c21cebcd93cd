import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { Finish } from '../../src/backends/wasm/runtime/finish.js';
import type { Hand } from '../../src/backends/wasm/runtime/host.js';
import { Pool } from '../../src/backends/wasm/runtime/threads.js';
import type { Request } from '../../src/backends/wasm/runtime/worker.js';

/** A worker of a test's: what its pool heard and tells it. */
class FakeHand implements Hand {
  readonly requests: Request[] = [];
  reply!: (message: unknown) => void;
  lost!: (error: Error) => void;
  held = false;
  ended = 0;

  post(request: Request): void {
    this.requests.push(request);
  }
  listen(reply: (message: unknown) => void, lost: (error: Error) => void): void {
    this.reply = reply;
    this.lost = lost;
  }
  hold(alive: boolean): void {
    this.held = alive;
  }
  async end(): Promise<void> {
    this.ended++;
  }
}

const emptyModule = new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
const program = {
  ...{ steps: [], argsBase: 65536, args: new Int32Array(0), boardBase: 65536 },
  boardWords: 16,
};

function poolOf(threads: number) {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 2, shared: true });
  const hands: FakeHand[] = [];
  const start = () => {
    const hand = new FakeHand();
    hands.push(hand);
    return hand;
  };
  const all = { ...program, localsBase: 65600, localBytes: 64 };
  const pool = new Pool(emptyModule, { wide: false, tall: false }, memory, all, threads, start, 0);
  const shared = memory.buffer as unknown as SharedArrayBuffer;
  return { pool, hands, finish: new Finish(shared, threads) };
}

/** Whether a promise has settled after a moment. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  const late = Symbol('late');
  const first = await Promise.race([
    promise.catch(() => undefined),
    new Promise((resolve) => setTimeout(resolve, 50, late)),
  ]);
  return first !== late;
}

test('a run ends when all threads have', async () => {
  const { pool, hands, finish } = poolOf(2);
  for (const [i, phases] of ([['forward', 'backward'], ['prepare'], ['update']] as const).entries()) {
    const run = pool.run(phases);
    assert.ok(hands.some(({ held }) => held));
    for (const { requests } of hands) assert.deepEqual(requests.at(-1), { kind: 'run', run: i + 1, phases });
    finish.end(false);
    assert.equal(await isSettled(run), false);
    finish.end(false);
    assert.equal(await run, undefined);
    assert.ok(hands.every(({ held }) => !held));
  }
  await pool.dispose();
});

test('a profile has the times of the thread that ends last', async () => {
  const { pool, hands, finish } = poolOf(2);
  const run = pool.run(['forward'], true);
  for (const { requests } of hands) assert.equal(requests.at(-1)!.kind, 'profile');
  assert.deepEqual([finish.end(false), finish.end(false)], [false, true]);
  assert.equal(await isSettled(run), false);
  hands[1].reply({ run: 1, times: Float64Array.of(1, 2) });
  assert.deepEqual(await run, Float64Array.of(1, 2));
  await pool.dispose();
});

test('why a thread failed may be heard before and after the end; the next run knows nothing of it', async () => {
  const { pool, hands, finish } = poolOf(2);
  for (const [run, early] of [true, false].entries()) {
    const failing = pool.run(['forward']);
    const tell = (hand: FakeHand, error: string) => hand.reply({ run: 2 * run + 1, error });
    if (early) tell(hands[0], 'first');
    finish.end(true);
    finish.end(true);
    assert.equal(await isSettled(failing), early);
    if (!early) tell(hands[0], 'first');
    await assert.rejects(failing, /a kernel failed: first/);
    const next = pool.run(['backward']);
    tell(hands[1], 'second');
    finish.end(false);
    finish.end(false);
    await next;
  }
  await pool.dispose();
});

test('a run whose thread is lost is rejected when the others have ended, and so is each after it', async () => {
  const { pool, hands, finish } = poolOf(3);
  const run = pool.run(['forward']);
  finish.end(false);
  hands[1].lost(new Error('killed'));
  assert.equal(await isSettled(run), false);
  finish.end(false);
  await assert.rejects(run, /a worker thread failed: killed/);
  await assert.rejects(pool.run(['forward']), /killed/);
  await pool.dispose();
  assert.deepEqual(
    hands.map(({ ended }) => ended),
    [1, 1, 1],
  );
});

test('disposed of while it runs, where nobody says that a thread has ended', async () => {
  const { pool } = poolOf(2);
  const run = pool.run(['forward']);
  await Promise.all([assert.rejects(run, /disposed/), pool.dispose()]);
});

test('where memory cannot be awaited, threads tell when they have ended', async () => {
  const script = (before: string) => `
    ${before}
    const { compile, networkFromConfig } = await import(${JSON.stringify(new URL('../../src/index.js', import.meta.url).href)});
    const network = networkFromConfig('vnet', { classes: 5 });
    const executor = await compile(network, { mode: 'infer', batch: 1, height: 64, width: 96, threads: 3 });
    executor.write('images', new Uint8Array(64 * 96 * 3).map((_, i) => i * 7919));
    for (let i = 0; i < 5; i++) await executor.run('prepare', 'forward');
    const times = await executor.profile('forward');
    console.log(typeof Atomics.waitAsync, times.some((ms) => ms > 0), String(await executor.read('prediction')));`;
  const [without, withIt] = await Promise.all(
    ['delete Atomics.waitAsync;', ''].map(async (before) => {
      const args = ['--input-type=module', '-e', script(before)];
      const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: 60_000 });
      return stdout.trim().split(' ');
    }),
  );
  assert.deepEqual(without.slice(0, 2), ['undefined', 'true']);
  assert.deepEqual(withIt.slice(0, 2), ['function', 'true']);
  assert.equal(without[2], withIt[2]);
});
