/**
 * Pictures and evaluations through a queue, with worker processes, Redis and an S3 server that are real. What workers
 * write is what one process writes, whatever happens to them.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { promises as fs, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { encodeRgbPng } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { fileSource } from '../../src/data/sources/source.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { shippedModel } from '../../src/model/load.js';
import { keysOf, queues } from '../../src/queue/contract.js';
import { predictByQueue, removeLeftovers } from '../../src/queue/pictures.js';
import { train } from '../../src/train/train.js';
import { temporaryFolder, vnet } from '../cli/vnet.js';
import { hasS3, TestS3 } from '../data/s3.js';
import type { TestRedis } from './redis.js';
import { Cluster, skip, until } from './support.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const count = 40;
/** At their own size: the network would rather see such small ones enlarged, which takes time. */
const own = ['--write', 'labels', 'labelme', '--resize', 'own'];
const here = [...own, '--device', 'wasm', '--threads', '1'];
const cluster = new Cluster();
const served = ['--root', folder, '--data', at('data')];
let redis: TestRedis;
let model: Buffer;

before(async () => {
  mkdirSync(at('in'));
  for (let i = 0; i < count; i++)
    writeFileSync(at('in', `p${i}.png`), await encodeRgbPng(renderScene(9, i, 64, 96).image));
  model = await fs.readFile(shippedModel);
  await writeSynthetic({ out: at('data'), count: 15, height: 64, width: 96, valFraction: 0.6, seed: 3 });
  if (!skip) redis = await cluster.start();
});

/** Until no job waits and none is under way. */
async function untilIdle(): Promise<void> {
  const connection = new Redis(cluster.url);
  const queue = new Queue(queues.pictures, { connection });
  await until(async () => (await queue.getWaitingCount()) + (await queue.getActiveCount()) === 0);
  await queue.close();
  connection.disconnect();
}

/** The names and bytes of all files in a folder. */
const filesOf = (dir: string) =>
  readdirSync(dir)
    .sort()
    .map((name) => [
      name,
      spawnSync('sha256sum', [path.join(dir, name)], { encoding: 'utf8' }).stdout.split(' ')[0],
    ]);

const setup = (out: string) => ({
  ...{
    backend: 'wasm' as const,
    view: { resize: 'own' as const },
    out,
    kinds: ['labels'],
    alpha: 0.5,
    legend: false,
  },
  ...{ overwrite: false, recipe: 'test', tries: 3 },
});

test('predict: three workers, one killed at every tenth picture, Redis started anew: the files of one process', {
  skip,
}, async (t) => {
  const coco = ['--coco', at('local.json')];
  const local = await vnet(['predict', at('in'), '--out', at('local'), ...here, ...coco]);
  assert.equal(local.code, 0, local.stderr);
  const inputs = readdirSync(at('in')).map((name) => fileSource(at('in', name)));
  for (let i = 0; i < 3; i++) cluster.worker(served);
  const notices: string[] = [];
  const map = await predictByQueue({
    ...{ url: cluster.url, model, inputs, setup: setup(at('queued')), chunk: 4 },
    tell: (message) => notices.push(message),
  });
  let done = 0;
  let killed = 0;
  for await (const result of map.results()) {
    assert.equal(result.error, undefined);
    if (++done % 10 === 0 && done < count) {
      killed++;
      await cluster.replace(served);
    }
    if (done === 15) await redis.restart();
  }
  await map.close();
  assert.equal(done, count);
  const { resent, refilled, duplicates } = map.counts;
  t.diagnostic(`${killed} killed, ${resent} jobs resent, ${refilled} refilled, ${duplicates} duplicates`);
  assert.ok(refilled >= 1, notices.join());
  await removeLeftovers(at('queued'), inputs);
  const written = readdirSync(at('queued')).sort();
  assert.deepEqual(written, Array.from({ length: count }, (_, i) => `p${i}_labels.png`).sort());
  // The marks differ, as the recipes do.
  for (const name of written)
    assert.deepEqual(await readLabels(at('queued', name)), await readLabels(at('local', name)), name);
});

test('predict --queue on the command line: the bytes of a local run; it goes on where it was stopped', {
  skip,
}, async () => {
  const queued = ['predict', at('in'), '--out', at('again'), ...own, '--queue', cluster.url];
  const coco = ['--coco', at('again.json')];
  const first = await vnet([...queued, ...coco]);
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stdout, /^40 images \(.*\): .*again\n$/);
  assert.deepEqual(filesOf(at('again')), filesOf(at('local')));
  assert.deepEqual(await fs.readFile(at('again.json')), await fs.readFile(at('local.json')));
  const second = await vnet(queued);
  assert.match(second.stdout, /^40 done before/);
});

test('predict: a picture that workers die of is given up after three, one that is damaged at once; the rest is done', {
  skip,
}, async () => {
  await cluster.killAll();
  mkdirSync(at('bad'));
  // Reading a pipe that nobody writes to never ends: to the others, such a worker is dead once it is killed.
  assert.equal(spawnSync('mkfifo', [at('bad', 'endless.png')]).status, 0);
  writeFileSync(at('bad', 'torn.png'), (await fs.readFile(at('in', 'p1.png'))).subarray(0, 300));
  const good = ['p0.png', 'p1.png', 'p2.png'].map((name) => fileSource(at('in', name)));
  const bad = ['endless.png', 'torn.png'].map((name) => fileSource(at('bad', name)));
  const inputs = [good[0], ...bad, ...good.slice(1)];
  const map = await predictByQueue({
    ...{ url: cluster.url, model, inputs, setup: setup(at('poisoned')), chunk: 5 },
    tell: () => undefined,
  });
  const control = new Redis(cluster.url);
  const { tries } = keysOf((map as unknown as { coordinator: { id: string } }).coordinator.id);
  const killing = (async () => {
    for (let deaths = 1; deaths <= 3; deaths++) {
      const worker = cluster.worker(served);
      await until(async () => (await control.hget(tries, '1')) === String(deaths));
      worker.interrupt('SIGKILL');
      await worker.ended;
    }
    cluster.worker(served);
  })();
  const results = new Map<number, string>();
  for await (const { index, error } of map.results()) results.set(index, error ?? 'done');
  await killing;
  // Others may hand it out again however often: what was given up is not read, so that no thread waits for its bytes.
  const { hand } = map as unknown as { hand(keys: readonly number[]): Promise<void> };
  for (let times = 0; times < 8; times++) await hand.call(map, [0]);
  await untilIdle();
  await map.close();
  control.disconnect();
  assert.equal(results.size, 5);
  assert.match(results.get(1)!, /begun 3 times and never finished/);
  assert.match(results.get(2)!, /cannot be decoded/);
  assert.deepEqual(
    [0, 3, 4].map((i) => results.get(i)),
    ['done', 'done', 'done'],
  );
});

test('predict: what is left of a job whose run has ended is not begun', { skip }, async () => {
  const inputs = Array.from({ length: 30 }, (_, i) => fileSource(at('in', `p${i}.png`)));
  const map = await predictByQueue({
    ...{ url: cluster.url, model, inputs: [...inputs, fileSource(at('bad', 'endless.png'))] },
    ...{ setup: setup(at('left')), chunk: 31, tell: () => undefined },
  });
  for await (const { error } of map.results()) {
    assert.equal(error, undefined);
    break;
  }
  await map.close();
  await untilIdle();
  assert.ok(readdirSync(at('left')).length < 30);
});

test('predict: a list of failures is written, and names that lead out of the roots are refused', {
  skip,
}, async () => {
  const stderrOf = async (...args: string[]) => {
    const { code, stderr } = await vnet(['predict', ...args, '--queue', cluster.url, '--write', 'labels']);
    assert.equal(code, 1, stderr);
    return stderr;
  };
  mkdirSync(at('mixed'));
  await fs.copyFile(at('bad', 'torn.png'), at('mixed/torn.png'));
  await fs.copyFile(at('in', 'p3.png'), at('mixed/p3.png'));
  assert.match(
    await stderrOf(at('mixed'), '--out', at('mixed-out')),
    /1 of 2 pictures failed, listed in .*failures\.jsonl/,
  );
  const [line] = (await fs.readFile(at('mixed-out/failures.jsonl'), 'utf8')).trim().split('\n');
  assert.match((JSON.parse(line) as { image: string }).image, /torn\.png$/);
  // The worker may use what lies below the folder of this test only: its own root refuses links that lead out.
  const outside = temporaryFolder();
  await fs.copyFile(at('in', 'p3.png'), path.join(outside, 'p.png'));
  symlinkSync(path.join(outside, 'p.png'), at('mixed/linked.png'));
  assert.match(await stderrOf(at('mixed'), '--out', at('linked-out')), /2 of 3 pictures failed/);
  const list = await fs.readFile(at('linked-out/failures.jsonl'), 'utf8');
  assert.match(list, /linked\.png.*is in none of the folders that this worker may use/);
});

test('eval --queue: the scores of one process to the last bit, with instances', { skip }, async () => {
  const args = ['eval', '--data', at('data'), '--json', '--model', at('model.safetensors')];
  const recipe = { data: at('data'), out: at('run'), epochs: 1, batch: 2, validateEvery: 0, samples: 0 };
  const { last } = await train({ ...recipe, device: 'wasm' });
  await fs.copyFile(last, at('model.safetensors'));
  const matrix = (name: string) => ['--confusion', at(`${name}.csv`)];
  const local = await vnet([...args, ...matrix('local'), '--device', 'wasm']);
  assert.equal(local.code, 0, local.stderr);
  cluster.worker(served);
  cluster.worker(served);
  const queued = await vnet([...args, ...matrix('queued'), '--queue', cluster.url]);
  assert.equal(queued.code, 0, queued.stderr);
  const scores = (text: string) => {
    const { imagesPerSecond, ...rest } = JSON.parse(text) as Record<string, unknown>;
    return rest;
  };
  assert.deepEqual(scores(queued.stdout), scores(local.stdout));
  assert.ok('classIiou' in scores(local.stdout));
  assert.deepEqual(await fs.readFile(at('queued.csv')), await fs.readFile(at('local.csv')));
});

test('predict from a bucket into a bucket through the queue', {
  skip: skip || (!hasS3 && "no moto: pip install 'moto[server]'"),
}, async () => {
  const s3 = await TestS3.start();
  try {
    await cluster.killAll();
    for (let i = 0; i < 3; i++)
      await s3.put(`frames/p${i}.png`, new Uint8Array(await fs.readFile(at('in', `p${i}.png`))));
    const bucket = (key: string) => `s3://${TestS3.bucket}/${key}`;
    cluster.worker(['--root', bucket('')], s3.env);
    // At the size that the network suits: that of the model goes through the queue too.
    const args = ['predict', bucket('frames'), '--write', 'labels'];
    const queued = await vnet([...args, '--out', bucket('labels'), '--queue', cluster.url], s3.env);
    assert.equal(queued.code, 0, queued.stderr);
    const local = await vnet([...args, '--out', at('from-bucket'), '--device', 'wasm'], s3.env);
    assert.equal(local.code, 0, local.stderr);
    assert.equal(readdirSync(at('from-bucket')).length, 3);
    for (const name of readdirSync(at('from-bucket')))
      assert.deepEqual(await s3.get(`labels/${name}`), await fs.readFile(at('from-bucket', name)), name);
  } finally {
    s3.stop();
  }
});
