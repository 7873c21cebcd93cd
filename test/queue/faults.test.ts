/** What goes wrong around a queue: one line each, and nothing is lost. Redis and the workers are real. */
import assert from 'node:assert/strict';
import { promises as fs, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { z } from 'zod';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { fileSource } from '../../src/data/sources/source.js';
import { renderScene } from '../../src/data/synth.js';
import { UserError } from '../../src/errors.js';
import { Predictor } from '../../src/eval/predictor.js';
import { loadModel, shippedModel } from '../../src/model/load.js';
import { connectRedis } from '../../src/queue/connection.js';
import { gradientJob, keysOf, pictureJob, programVersion, queues } from '../../src/queue/contract.js';
import { predictByQueue } from '../../src/queue/pictures.js';
import { Roots } from '../../src/queue/roots.js';
import type { Task } from '../../src/queue/task.js';
import { QueueWorker } from '../../src/queue/worker.js';
import { start, temporaryFolder, vnet } from '../cli/vnet.js';
import { freePort } from '../data/s3.js';
import type { TestRedis } from './redis.js';
import { Cluster, skip, until } from './support.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const cluster = new Cluster();
let redis: TestRedis;
let control: Redis;
let model: Buffer;

before(async () => {
  mkdirSync(at('in'));
  for (let i = 0; i < 12; i++)
    writeFileSync(at('in', `p${i}.png`), await encodeRgbPng(renderScene(9, i, 64, 96).image));
  model = await fs.readFile(shippedModel);
  if (skip) return;
  redis = await cluster.start();
  control = new Redis(redis.url);
  control.on('error', () => undefined);
});

const sources = () => readdirSync(at('in')).map((name) => fileSource(at('in', name)));

function batch(out: string, notices: string[] = []) {
  return predictByQueue({
    ...{ url: redis.url, model, inputs: sources(), chunk: 1, tell: (line: string) => notices.push(line) },
    setup: {
      ...{ backend: 'wasm', view: { resize: 'own' }, out: at(out), kinds: ['labels'], alpha: 0.5 },
      ...{ legend: false, overwrite: false, recipe: 'test', tries: 3 },
    },
  });
}

async function finish(map: Awaited<ReturnType<typeof batch>>): Promise<number> {
  let done = 0;
  try {
    for await (const { error } of map.results()) {
      assert.equal(error, undefined);
      done++;
    }
  } finally {
    await map.close();
  }
  return done;
}

test('the event loop runs while one thread computes', async () => {
  const { network, weights } = await loadModel(shippedModel);
  const predictor = new Predictor(network, weights, { backend: wasmBackend, threads: 1 });
  const image = { height: 768, width: 1024, data: new Uint8Array(768 * 1024 * 3) };
  await predictor.labels(image);
  let ticks = 0;
  const timer = setInterval(() => ticks++, 10);
  const began = performance.now();
  for (let i = 0; i < 3; i++) await predictor.labels(image);
  const ms = performance.now() - began;
  clearInterval(timer);
  await predictor.dispose();
  // Blocked, it would have ticked three times.
  assert.ok(ticks > ms / 10 / 5 && ticks > 6, `${ticks} ticks in ${ms} ms`);
});

test('a job longer than its lock is computed once; the lock of a job whose worker is silent is handed on', {
  skip,
}, async () => {
  const feed = '00000000000feed0';
  const begun: string[] = [];
  const job = z.strictObject({ run: z.string(), ms: z.number() });
  const task: Task<z.infer<typeof job>> = {
    ...{ kind: 'samples', job },
    open: async () => ({
      async compute({ ms }) {
        begun.push(`${ms}`);
        await new Promise((resolve) => setTimeout(resolve, ms));
      },
      close: async () => undefined,
    }),
  };
  const stop = new AbortController();
  const running = [];
  for (let i = 0; i < 2; i++) {
    const worker = await QueueWorker.open({ url: redis.url, tasks: [task as Task], backend: wasmBackend });
    running.push(worker.run(stop.signal));
  }
  await control.set(keysOf(feed).alive, '1');
  const queue = new Queue(queues.samples, { connection: control });
  // Short ones first: locks become short, too.
  for (const ms of [1, 2, 3, 4, 5, 6]) await queue.add('x', { run: feed, ms });
  await until(() => begun.length === 6);
  await queue.add('x', { run: feed, ms: 4500 });
  await until(async () => begun.length > 6 && (await queue.getActiveCount()) === 0);
  assert.deepEqual(begun.slice(6), ['4500']);
  stop.abort();
  await Promise.all(running);
  await queue.close();
});

test('health, and SIGTERM: the jobs at hand are finished', { skip }, async () => {
  const port = await freePort();
  const worker = cluster.worker(['--root', folder, '--health', String(port), '--concurrency', '2']);
  const ask = (what: string) => fetch(`http://127.0.0.1:${port}/${what}`).catch(() => undefined);
  await until(async () => (await ask('readyz'))?.status === 200);
  const queue = new Queue(queues.pictures, { connection: control });
  const map = await batch('drained');
  let done = 0;
  let code: number | null | undefined;
  for await (const { error } of map.results()) {
    assert.equal(error, undefined);
    if (++done === 2) {
      worker.interrupt('SIGTERM');
      ({ code } = await worker.ended);
      // Nothing that another would have to wait for.
      assert.equal(await queue.getActiveCount(), 0);
      cluster.worker(['--root', folder]);
    }
  }
  await map.close();
  assert.equal(code, 0);
  assert.equal(done, 12);
  assert.equal(await ask('livez'), undefined);
  await queue.close();
  await cluster.killAll();
});

test('another version is refused with both, at the worker and at the coordinator', { skip }, async () => {
  const run = '0123456789abcdef';
  const keys = keysOf(run);
  await control.set(keys.alive, '1', 'EX', 60);
  await control.set(keys.setup, JSON.stringify({ version: '9.9.9, kernels plain 000000000000', new: true }));
  const queue = new Queue(queues.gradients, { connection: control });
  await queue.add('x', { run, another: 'shape' });
  const worker = start(['worker', '--queue', redis.url, '--data', folder, '--threads', '1']);
  const { code, stderr } = await worker.ended;
  assert.equal(code, 1);
  const both = `run ${run}: is of vnet 9.9.9, kernels plain 000000000000, this worker is ${programVersion()}; results would differ`;
  assert.ok(stderr.includes(both), stderr);
  assert.ok((await control.lindex(keys.refused, 0))?.startsWith(both));
  await queue.drain();
  await queue.close();
});

test('a full Redis: one line, and once it has room the same command goes on', { skip }, async (t) => {
  const full = async (yes: boolean) => control.config('SET', 'maxmemory', yes ? '1' : '0');
  t.after(() => full(false));
  await full(true);
  const refused = finish(await batch('full'));
  await assert.rejects(refused, (error) => {
    assert.ok(error instanceof UserError);
    assert.match(error.message, /^redis:\/\/127\.0\.0\.1:\d+: Redis is full \(maxmemory\)/);
    return true;
  });
  await full(false);
  cluster.worker(['--root', folder]);
  const map = await batch('full');
  const ended = finish(map).catch((error: unknown) => error);
  await until(() => readdirSync(folder).includes('full'));
  await full(true);
  await new Promise((resolve) => setTimeout(resolve, 500));
  await full(false);
  const result = await ended;
  if (result !== 12) assert.match((result as Error).message, /Redis is full/);
  assert.equal(await finish(await batch('full')), 12);
  assert.equal(readdirSync(at('full')).filter((name) => !name.startsWith('.')).length, 12);
  await cluster.killAll();
});

test('clocks that are an hour wrong, both ways, change nothing', { skip }, async () => {
  writeFileSync(
    at('skew.mjs'),
    `const Real = Date;
     const by = Number(process.env.SKEW);
     globalThis.Date = class extends Real {
       constructor(...given) { if (given.length) super(...given); else super(Real.now() + by); }
       static now() { return Real.now() + by; }
     };`,
  );
  for (const hours of [-1, 1]) {
    const NODE_OPTIONS = `--import ${pathToFileURL(at('skew.mjs'))}`;
    cluster.worker(['--root', folder], { NODE_OPTIONS, SKEW: String(hours * 3_600_000) });
  }
  const map = await batch('skewed');
  assert.equal(await finish(map), 12);
  assert.equal(map.counts.refilled, 0);
  assert.equal(readdirSync(at('skewed')).length, 12);
  await cluster.killAll();
});

test('no Redis, no address, nothing to serve: one line each', async () => {
  const port = await freePort();
  const refuses = (work: Promise<unknown>, message: RegExp) =>
    assert.rejects(work, (error) => error instanceof UserError && message.test(error.message));
  await refuses(connectRedis(`redis://127.0.0.1:${port}`), /: no Redis answers \(.*ECONNREFUSED/);
  await refuses(connectRedis('http://127.0.0.1'), /is no address of a queue/);
  const { code, stderr } = await vnet(['worker', '--queue', `redis://127.0.0.1:${port}`]);
  assert.equal(code, 2);
  assert.match(stderr, /give --data to serve trainings and evaluations, --root to serve predict/);
});

test('jobs that are not of the contract are none; names that lead out are refused', async () => {
  const run = '0123456789abcdef';
  const image = { index: 0, file: '/x/p.png', name: 'p', stamp: '1' };
  assert.ok(pictureJob.safeParse({ run, images: [image] }).success);
  for (const wrong of [
    { run, images: [] },
    { run, images: Array(257).fill(image) },
    { run: '../../x', images: [image] },
    { run, images: [{ ...image, name: '../p' }] },
    { run, images: [{ ...image, name: '/etc/p' }] },
    { run, images: [{ ...image, code: 'require("fs")' }] },
  ]) {
    assert.equal(pictureJob.safeParse(wrong).success, false, JSON.stringify(wrong).slice(0, 100));
  }
  assert.equal(
    gradientJob.safeParse({ run, step: -1, epoch: 0, first: 0, count: 1, batch: 0, only: false, dropout: 0 })
      .success,
    false,
  );
  const roots = await Roots.open([at('in'), 's3://street/frames']);
  await roots.check(at('in/p0.png'));
  await roots.check(at('in/not-yet/there.png'));
  await roots.check('s3://street/frames/a.png');
  for (const name of [
    at('in/../out.png'),
    '/etc/passwd',
    `${at('in')}-2/x`,
    's3://street/frames2/a',
    's3://other/frames/a',
    's3://street/frames/../b',
  ]) {
    await assert.rejects(roots.check(name), UserError, name);
  }
});

test('end', { skip }, () => control?.disconnect());
