/**
 * Training through a queue: the weights are those of one machine, whatever happens to the workers and to Redis. Worker
 * processes and a Redis server are real. `KILLS`: how many workers die in the second test (default 3).
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { Redis } from 'ioredis';
import { writeSynthetic } from '../../src/data/synth.js';
import { UserError } from '../../src/errors.js';
import { connectRedis } from '../../src/queue/connection.js';
import { QueueGradients } from '../../src/queue/gradients.js';
import type { TrainOptions } from '../../src/train/train.js';
import { train } from '../../src/train/train.js';
import { seededRandom, testSeed } from '../backends/harness.js';
import type { TestRedis } from './redis.js';
import { assertSameTraining, Cluster, skip } from './support.js';

const kills = Number(process.env.KILLS ?? 3);
const seed = testSeed(16);
const rng = seededRandom(seed);
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-queue-'));
const data = path.join(folder, 'data');
let runs = 0;
let redis: TestRedis;
const cluster = new Cluster();

after(() => {
  rmSync(folder, { recursive: true, force: true });
});

const recipe = (epochs: number): TrainOptions => ({
  ...{ data, out: path.join(folder, `run${runs++}`), epochs, batch: 2, accumulate: 4, learningRate: 0.002 },
  network: { name: 'vnet', config: { beta: 1 } },
  ...{ threads: 1, workers: 1, validateEvery: 0, samples: 0, device: 'wasm' },
});

const served = ['--data', data];
const startWorker = () => cluster.worker(served);

/** Trains through the queue. @returns the checkpoint, and what the coordinator counted. */
async function queued(options: TrainOptions) {
  let source: QueueGradients | undefined;
  const result = await train({
    ...options,
    gradients: async (run) => {
      source = await QueueGradients.open(redis.url, run, () => undefined);
      return source;
    },
  });
  return { result, counts: source!.counts };
}

/** The same recipe in this process alone, once for each number of epochs. */
const known = new Map<number, Promise<string>>();
function local(epochs: number): Promise<string> {
  let last = known.get(epochs);
  if (!last) {
    last = train(recipe(epochs)).then((result) => result.last);
    known.set(epochs, last);
  }
  return last;
}

test('one, two and three workers give the bits of one machine', { skip }, async (t) => {
  redis = await cluster.start();
  await writeSynthetic({ out: data, count: 24, height: 48, width: 64, valFraction: 0.2, seed: 3 });
  const expected = await local(1);
  for (let count = 1; count <= 3; count++) {
    startWorker();
    const before = await redis.usage();
    const { result, counts } = await queued(recipe(1));
    const after = await redis.usage();
    await assertSameTraining(result.last, expected);
    const perStep = (after.bytes - before.bytes) / result.step;
    t.diagnostic(
      `${count} workers: equal; ${(perStep / 1024).toFixed(0)} KiB a step through Redis, ${counts.resent} resent`,
    );
    // By Redis's own count: weights in once and out to each worker, gradients in and out, and the jobs.
    const most = 1.1 * ((1 + count) * counts.sentBytes + 2 * counts.receivedBytes) + 100_000 * result.step;
    assert.ok(after.bytes - before.bytes <= most || counts.resent > 0, `${perStep} a step`);
    // What it holds of a step, and what is on its way.
    const one = counts.sentBytes / result.step;
    assert.ok(after.peak <= 4e6 + (1 + count + 2 * 4) * one, `${after.peak} bytes`);
    // Weights once, four gradients with statistics.
    assert.ok(counts.receivedBytes <= (counts.sentBytes + 32 * 1024 * result.step) * 4 * 1.1);
  }
});

test('workers that are killed, Redis that is emptied and started again', { skip }, async (t) => {
  const epochs = 2 + Math.ceil(kills / 2);
  const expected = await local(epochs);
  const control = new Redis(redis.url);
  control.on('error', () => undefined);
  let killed = 0;
  let steps = 0;
  const events: (() => Promise<unknown>)[] = [() => control.flushall(), () => redis.restart()];
  let latest: Promise<unknown> = Promise.resolve();
  const options: TrainOptions = {
    ...recipe(epochs),
    // At steps and not at times, so that a slow machine sees as much as a fast one.
    onEvent: ({ type }) => {
      if (type !== 'step') return;
      const event = steps++ % 2 === 1 ? events.shift() : undefined;
      const kill = killed < kills && rng.int(3) > 0;
      if (kill) killed++;
      latest = latest.then(async () => {
        if (kill) await cluster.replace(served);
        await event?.();
      });
    },
  };
  const { result, counts } = await queued(options);
  await latest;
  control.disconnect();
  await assertSameTraining(result.last, expected);
  t.diagnostic(
    `${killed} workers killed, Redis emptied and restarted: equal; ${counts.resent} batches resent, ${counts.refilled} times filled again, seed ${seed}`,
  );
  assert.ok(killed > 0 && events.length === 0);
});

test('a coordinator that stops is resumed, and a batch that is done twice changes nothing', {
  skip,
}, async () => {
  const expected = await local(1);
  const stop = new AbortController();
  const options = recipe(1);
  let steps = 0;
  const first = await queued({
    ...options,
    signal: stop.signal,
    onEvent: ({ type }) => {
      if (type === 'step' && ++steps === 1) stop.abort();
    },
  });
  assert.equal(first.result.interrupted, true);
  const { result } = await queued({ ...options, resume: true });
  await assertSameTraining(result.last, expected);
});

test('other data, another address, nothing there: one line each', { skip }, async () => {
  const other = path.join(folder, 'other');
  await writeSynthetic({ out: other, count: 24, height: 48, width: 64, valFraction: 0.2, seed: 4 });
  const before = [...cluster.workers];
  for (const worker of before) worker.interrupt('SIGTERM');
  for (const worker of before) assert.equal((await worker.ended).code, 0);
  const stray = cluster.worker(['--data', other]);
  const training = queued(recipe(1));
  const { code, stderr } = await stray.ended;
  assert.equal(code, 1);
  assert.match(stderr, /other: has other training images than the coordinator of run [0-9a-f]{16}/);
  startWorker();
  await assertSameTraining((await training).result.last, await local(1));
  const refused = (url: string, message: RegExp) =>
    assert.rejects(connectRedis(url), (error) => error instanceof UserError && message.test(error.message));
  await refused('redis://127.0.0.1:1', /^redis:\/\/127\.0\.0\.1:1: no Redis answers \(.*ECONNREFUSED/);
  await refused('http://127.0.0.1', /is no address of a queue/);
});
