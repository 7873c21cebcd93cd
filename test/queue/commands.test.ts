/**
 * Commands through a queue as a person types them: stopped, looked at, gone on with; with a password over TLS; with
 * data in a bucket; with a worker that hangs, and a training that goes wrong. All servers are real.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { encodeRgbPng } from '../../src/data/image.js';
import { renderScene, writeSynthetic } from '../../src/data/synth.js';
import { queues } from '../../src/queue/contract.js';
import { start, temporaryFolder, vnet, vnetHere } from '../cli/vnet.js';
import { hasS3, TestS3 } from '../data/s3.js';
import { TestRedis } from './redis.js';
import { assertSameTraining, Cluster, skip, until } from './support.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const count = 16;
const cluster = new Cluster();
const served = ['--root', folder, '--data', at('data')];
let redis: TestRedis;
let control: Redis;
let queue: Queue;

before(async () => {
  if (skip) return;
  mkdirSync(at('in'));
  for (let i = 0; i < count; i++)
    writeFileSync(at('in', `p${i}.png`), await encodeRgbPng(renderScene(9, i, 64, 96).image));
  await writeSynthetic({ out: at('data'), count: 20, height: 48, width: 64, valFraction: 0.2, seed: 3 });
  redis = await cluster.start();
  control = new Redis(redis.url);
  control.on('error', () => undefined);
  queue = new Queue(queues.pictures, { connection: control });
});

const predict = (out: string) => ['predict', at('in'), '--out', out, '--write', 'labels', '--resize', 'own'];
const throughQueue = () => ['--queue', redis.url, '--chunk', '1'];
const training = (out: string, ...more: string[]) => [
  ...['train', '--data', at('data'), '--out', at(out), '--epochs', '2', '--batch', '2', '--accumulate', '4'],
  ...['--beta', '1', '--validate-every', '0', '--no-report', '--device', 'wasm', ...more],
];
/** A command's results, and how many there are. */
const written = (out: string) => readdirSync(out).filter((name) => name.endsWith('.png'));

/** What the command line says of jobs of predict. */
async function counts(): Promise<unknown> {
  const { stdout } = await vnetHere(['queue', 'status', '--queue', redis.url, '--json']);
  const rows = (JSON.parse(stdout) as { queues: { jobs: string }[] }).queues;
  const { jobs, ...numbers } = rows.find(({ jobs }) => jobs === 'predict')!;
  return numbers;
}

test('Ctrl-C of predict takes back what nobody has begun; the same command goes on', { skip }, async () => {
  const first = start([...predict(at('stopped')), ...throughQueue()]);
  await until(async () => (await queue.getWaitingCount()) === count);
  const { stdout } = await vnetHere(['queue', 'status', '--queue', redis.url]);
  assert.match(stdout, /redis:\/\/127.*\n.*waiting +running +failed +workers/);
  assert.match(stdout, new RegExp(`vnet predict +${count} +0 +0 +0\n`));
  const worker = cluster.worker(served);
  await until(() => readdirSync(folder).includes('stopped') && written(at('stopped')).length > 2);
  first.interrupt('SIGINT');
  const { code, stderr } = await first.ended;
  assert.equal(code, 1);
  const done = Number(/stopped after (\d+) of 16 pictures; go on with:\n {2}vnet predict /.exec(stderr)?.[1]);
  assert.ok(done > 0 && done < count, stderr);
  await until(async () => (await queue.getActiveCount()) === 0);
  assert.deepEqual(await counts(), { waiting: 0, active: 0, failed: 0, workers: 1 });
  const kept = written(at('stopped')).length;
  assert.ok(kept >= done && kept < count);
  const second = await vnetHere([...predict(at('stopped')), ...throughQueue()]);
  assert.match(second.stdout, new RegExp(`${kept} done before: `), second.stderr);
  assert.equal(written(at('stopped')).length, count);
  worker.interrupt('SIGTERM');
  assert.equal((await worker.ended).code, 0);
});

test('queue retry hands out again what has failed, queue drain takes away what waits', { skip }, async () => {
  const add = () => queue.add('x', { run: '0123456789abcdef', images: [] }, { attempts: 1 });
  // A job fails as one of a worker that cannot go on.
  await add();
  const { Worker } = await import('bullmq');
  const failing = new Worker(queues.pictures, () => Promise.reject(new Error('out of order')), {
    connection: { url: redis.url, maxRetriesPerRequest: null },
  });
  await until(async () => (await queue.getFailedCount()) === 1);
  await failing.close();
  await add();
  const run = async (action: string) => (await vnetHere(['queue', action, '--queue', redis.url])).stdout;
  assert.equal(await run('retry'), '1 failed jobs wait again\n');
  assert.equal(await queue.getWaitingCount(), 2);
  assert.equal(await run('drain'), '2 waiting and 0 failed jobs taken away\n');
  assert.equal(await queue.count(), 0);
  const { code, stderr } = await vnetHere(['queue', 'retry', '--queue', 'redis://127.0.0.1:1']);
  assert.equal(code, 1);
  assert.match(stderr, /^vnet: redis:\/\/127\.0\.0\.1:1: no Redis answers .*\n$/);
});

test('a worker that hangs holds up nothing, and what it does later changes nothing', { skip }, async () => {
  // It stops before its third result is put in place, and does so when it is woken.
  writeFileSync(
    at('stop.mjs'),
    `import { promises } from 'node:fs';
     const { rename } = promises;
     let count = 0;
     promises.rename = (...names) => {
       if (++count === 3) process.kill(process.pid, 'SIGSTOP');
       return rename(...names);
     };`,
  );
  const NODE_OPTIONS = `--import ${pathToFileURL(at('stop.mjs'))}`;
  const workers = [cluster.worker(served, { NODE_OPTIONS })];
  const running = start([...predict(at('slow')), ...throughQueue()]);
  await running.seen(
    /no answer to 1 of \d+ jobs for \d+ s: a worker is slow, hangs or is gone; handing out again/,
  );
  workers.push(cluster.worker(served));
  const { code, stderr } = await running.ended;
  assert.equal(code, 0, stderr);
  workers[0].interrupt('SIGCONT');
  await vnetHere([...predict(at('local')), '--device', 'wasm', '--threads', '1']);
  await until(async () => (await queue.getActiveCount()) === 0);
  assert.deepEqual(written(at('slow')).sort(), written(at('local')).sort());
  for (const name of written(at('local')))
    assert.deepEqual(readFileSync(at('slow', name)), readFileSync(at('local', name)), name);
  // The one that hung goes on to serve.
  workers[1].interrupt('SIGKILL');
  await workers[1].ended;
  const again = await vnetHere([...predict(at('slow')), ...throughQueue(), '--overwrite']);
  assert.match(again.stdout, /^16 images /, again.stderr);
});

test('a training that diverges ends with the line of one process', { skip }, async () => {
  const wild = ['--lr', '1000'];
  const [here, there] = [
    await vnetHere(training('wild', ...wild)),
    await vnetHere(training('wild-queued', ...wild, '--queue', redis.url)),
  ];
  const line = ({ stderr }: { stderr: string }) =>
    /^vnet: (.*)/m.exec(stderr)?.[1].replaceAll('wild-queued', 'wild');
  assert.equal(there.code, 1);
  assert.match(
    line(here)!,
    /^step \d+ \(epoch 1\): the (loss|gradient) is \S+; its images: synth_\S+, synth_\S+\. /,
  );
  assert.equal(line(there), line(here));
});

test('Ctrl-C of a training without workers, and a full Redis: saved, and the command that goes on', {
  skip,
}, async (t) => {
  await cluster.killAll();
  const stopped = start(training('lonely', '--queue', redis.url));
  await stopped.seen(/no worker is connected to the queue; start some with: vnet worker/);
  stopped.interrupt('SIGINT');
  const { code, stderr } = await stopped.ended;
  assert.equal(code, 1);
  const words = `train --out ${at('lonely')} --resume --queue ${redis.url}`;
  assert.ok(stderr.endsWith(`; go on with:\n  vnet ${words}\n`), stderr);
  t.after(() => control.config('SET', 'maxmemory', '0'));
  await control.config('SET', 'maxmemory', '1');
  const full = await vnetHere(words.split(' '));
  assert.equal(full.code, 1);
  assert.match(
    full.stderr,
    /^vnet: redis:\S+: Redis is full \(maxmemory\); give it more memory, [^\n]*last\.safetensors in \S+ holds step 0; go on with --resume then\n$/m,
  );
  await control.config('SET', 'maxmemory', '0');
  cluster.worker(served);
  const resumed = await vnetHere(words.split(' '));
  assert.equal(resumed.code, 0, resumed.stderr);
  await vnetHere(training('whole'));
  await assertSameTraining(at('lonely/last.safetensors'), at('whole/last.safetensors'));
});

test('a bucket: a training reads its data from it; one that denies is one line, and nothing is lost', {
  skip: skip || (!hasS3 && "no moto: pip install 'moto[server]'"),
}, async () => {
  await cluster.killAll();
  const s3 = await TestS3.start();
  try {
    await s3.upload(at('data'), 'data');
    const bucket = (key: string) => `s3://${TestS3.bucket}/${key}`;
    cluster.worker(['--data', bucket('data'), '--root', bucket('')], s3.env);
    const trained = await vnetHere(training('from-bucket', '--queue', redis.url));
    assert.equal(trained.code, 0, trained.stderr);
    await assertSameTraining(at('from-bucket/last.safetensors'), at('whole/last.safetensors'));
    // The worker alone writes: it ends, and the coordinator tells why and waits for another.
    await cluster.killAll();
    const worker = cluster.worker(['--root', folder, bucket('')], s3.env);
    await worker.seen(/waiting for jobs/);
    await s3.lock(true);
    const args = [
      'predict',
      at('in/p1.png'),
      at('in/p2.png'),
      '--out',
      bucket('labels'),
      '--write',
      'labels',
    ];
    const running = start([...args, ...throughQueue(), '--failures', at('failures.jsonl')], s3.env);
    const why =
      /s3:\/\/street\/labels\S*: cannot be (read|written) \(the store does not know AWS_ACCESS_KEY_ID\)/;
    await running.seen(new RegExp(`a worker refuses: ${why.source}`));
    const ended = await worker.ended;
    assert.equal(ended.code, 1);
    assert.match(ended.stderr, new RegExp(`^vnet: ${why.source}\n$`, 'm'));
    await s3.lock(false);
    cluster.worker(['--root', folder, bucket('')], s3.env);
    const { code, stdout, stderr } = await running.ended;
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^2 images /);
    assert.ok((await s3.get('labels/p1_labels.png')).length > 0);
  } finally {
    s3.stop();
  }
});

test('TLS and a password from the environment', { skip }, async (t) => {
  const made = spawnSync('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost', '-keyout', at('key.pem'), '-out', at('cert.pem')],
  ]);
  if (made.status !== 0) return t.skip('no openssl');
  const secured = await TestRedis.startTls({ key: at('key.pem'), cert: at('cert.pem') }, [
    ...['--requirepass', 'open sesame'],
  ]);
  t.after(() => secured.stop());
  const env = { REDIS_PASSWORD: 'open sesame', NODE_EXTRA_CA_CERTS: at('cert.pem') };
  const status = (more: Record<string, string>) => vnet(['queue', 'status', '--queue', secured.tlsUrl], more);
  assert.match(
    (await status({ REDIS_PASSWORD: env.REDIS_PASSWORD })).stderr,
    /^vnet: rediss:\/\/localhost:\d+: the certificate of Redis is not trusted \(self-signed certificate\)[^\n]*\n$/,
  );
  assert.match(
    (await status({ NODE_EXTRA_CA_CERTS: env.NODE_EXTRA_CA_CERTS })).stderr,
    /^vnet: rediss:\/\/localhost:\d+: Redis refuses the password \(NOAUTH[^\n]*\n$/,
  );
  const worker = start(['worker', '--queue', secured.tlsUrl, '--root', folder, '--threads', '1'], env);
  t.after(() => worker.interrupt('SIGKILL'));
  const done = await vnet([...predict(at('secret')), '--queue', secured.tlsUrl], env);
  assert.match(done.stdout, /^16 images /, done.stderr);
  for (const name of written(at('local')))
    assert.deepEqual(readFileSync(at('secret', name)), readFileSync(at('local', name)), name);
});

test('end', { skip }, async () => {
  await queue.close();
  control.disconnect();
});
