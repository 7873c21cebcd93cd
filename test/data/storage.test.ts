/** Data sets, pictures and results in a store of objects. The server is a real one (moto). */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { openDataset } from '../../src/data/datasets.js';
import { look, readBytes, readStart, walkFiles, writeAtomic } from '../../src/data/files.js';
import { fingerprint } from '../../src/data/fingerprint.js';
import { Loader } from '../../src/data/loader.js';
import { writeSynthetic } from '../../src/data/synth.js';
import { UserError } from '../../src/errors.js';
import { readTraining } from '../../src/train/checkpoint.js';
import { start, temporaryFolder, vnet } from '../cli/vnet.js';
import { assertSameTraining, until } from '../queue/same.js';
import { freePort, hasS3, TestS3 } from './s3.js';

const skip = !hasS3 && "no moto: pip install 'moto[server]', VNET_TEST_PYTHON";
const folder = temporaryFolder();
const data = path.join(folder, 'data');
let s3: TestS3;
before(async () => {
  await writeSynthetic({ out: data, count: 10, height: 48, width: 64, valFraction: 0.3, seed: 5 });
  if (skip) return;
  s3 = await TestS3.start();
  Object.assign(process.env, s3.env);
  await s3.upload(data, 'data');
});
after(() => s3?.stop());

const at = (key: string) => `s3://${TestS3.bucket}/${key}`;
const refuses = (work: Promise<unknown>, message: RegExp) =>
  assert.rejects(work, (error) => {
    assert.ok(error instanceof UserError, String(error));
    assert.match(error.message, message);
    assert.ok(!error.message.includes('\n'));
    return true;
  });

test('bytes come back as they were written; sizes are bounded before they are read', { skip }, async () => {
  const bytes = Buffer.from(Array.from({ length: 3000 }, (_, i) => (i * i) % 251));
  await writeAtomic(at('a/b.bin'), bytes);
  assert.deepEqual(await s3.get('a/b.bin'), bytes);
  assert.deepEqual(await readBytes(at('a/b.bin')), bytes);
  assert.deepEqual(await readStart(at('a/b.bin'), 512), bytes.subarray(0, 512));
  assert.equal(await readStart(at('a/none.bin'), 512), undefined);
  await refuses(
    readBytes(at('a/b.bin'), 2999),
    /^s3:\/\/street\/a\/b\.bin: .*3000 bytes or more, at most 2999/,
  );
  await refuses(
    readBytes(at('a/none.bin')),
    /^s3:\/\/street\/a\/none\.bin: cannot be read \(no such file\)$/,
  );
  await refuses(readBytes('s3://'), /names no bucket/);
});

test('a data set in a bucket is the one on the disk: layout, samples, fingerprint, batches', {
  skip,
}, async () => {
  const [local, remote] = [await openDataset(data), await openDataset(at('data'))];
  assert.equal(remote.name, local.name);
  assert.deepEqual(remote.splits, local.splits);
  const names = (dataset: typeof local) => dataset.samples('train').map(({ id }) => id);
  assert.deepEqual(names(remote), names(local));
  assert.equal(await fingerprint(remote, 'train'), await fingerprint(local, 'train'));
  const loaders = [local, remote].map(
    (dataset) => new Loader(dataset, 'train', { batch: 3, shuffle: true, seed: 7, workers: 1 }),
  );
  const [a, b] = await Promise.all(
    loaders.map(async (loader) => {
      const all = [];
      for await (const { images, labels } of loader.batches(1)) all.push([...images], [...labels]);
      await loader.close();
      return all;
    }),
  );
  assert.ok(a.length > 0);
  assert.deepEqual(b, a);
  await refuses(openDataset(at('nothing')), /no such data set folder/);
});

test('predict from a bucket into a bucket writes the bytes of a run on the disk, and does nothing twice', {
  skip,
}, async () => {
  const out = path.join(folder, 'labels');
  const options = ['--write', 'labels', 'labelme', '--device', 'wasm', '--threads', '1'];
  const shots = path.join(data, 'leftImg8bit/val');
  assert.equal((await vnet(['predict', shots, '--out', out, ...options])).code, 0);
  const remote = ['predict', at('data/leftImg8bit/val'), '--out', at('labels'), ...options, '--json'];
  const first = await vnet(remote, s3.env);
  assert.equal(first.code, 0, first.stderr);
  // The marks differ, as the stamps of files do; what is behind them does not.
  const unmarked = (bytes: Buffer) =>
    bytes.toString('latin1').replace(/vnet-segmentation predict [0-9a-f]{16}("|.{4})/s, '');
  const files = [...walkFiles(out)];
  assert.ok(files.length >= 4);
  for (const file of files) {
    const there = await s3.get(`labels/${file}`);
    assert.equal(unmarked(there), unmarked(await fs.readFile(path.join(out, file))), file);
  }
  const lines = (await vnet(remote, s3.env)).stdout.trim().split('\n');
  assert.equal(lines.length, files.length / 2);
  for (const line of lines) assert.equal((JSON.parse(line) as { kept?: boolean }).kept, true);
});

test('a store that refuses or is not there: one line, and the work ends at once', { skip }, async () => {
  await s3.lock(true);
  try {
    const denied = await vnet(['predict', at('data/leftImg8bit/val'), '--out', at('denied')], s3.env);
    assert.equal(denied.code, 1);
    assert.match(
      denied.stderr,
      /s3:\/\/street\/data\/leftImg8bit\/val: cannot be listed \(.*AWS_ACCESS_KEY_ID/,
    );
    const shots = path.join(data, 'leftImg8bit/val');
    const write = await vnet(['predict', shots, '--out', at('denied'), '--device', 'wasm'], s3.env);
    assert.equal(write.code, 1);
    assert.match(
      write.stderr,
      /s3:\/\/street\/denied\/\S+\.png: cannot be \w+ \(.*AWS_ACCESS_KEY_ID[^\n]*\n$/,
    );
  } finally {
    await s3.lock(false);
  }
  await refuses(look('s3://no-such-bucket/x'), /cannot be listed \(there is no such bucket\)/);
  const nowhere = { ...s3.env, AWS_ENDPOINT_URL: `http://127.0.0.1:${await freePort()}` };
  const gone = await vnet(['predict', at('data/leftImg8bit/val')], nowhere);
  assert.match(gone.stderr, /the store cannot be reached \(ECONNREFUSED\); check AWS_ENDPOINT_URL/);
  const run = await vnet(['train', '--data', data, '--out', at('run')], nowhere);
  assert.equal(run.code, 1);
  assert.match(
    run.stderr,
    /^vnet: s3:\/\/street\/run: cannot be listed \(the store cannot be reached[^\n]*\n$/,
  );
});

test('a run in a bucket: stopped, gone on with elsewhere, the weights are those of a run on the disk', {
  skip,
}, async () => {
  const recipe =
    '--epochs 8 --batch 2 --size 32x32 crop --seed 4 --save-every 0.0001 --validate-every 4'.split(' ');
  const machine = ['--threads', '1', '--workers', '0', '--device', 'wasm', '--no-report', '--samples', '0'];
  const args = ['train', '--data', data, ...recipe, ...machine];
  const local = path.join(folder, 'run');
  const whole = await vnet([...args, '--out', local]);
  assert.equal(whole.code, 0, whole.stderr);

  const own = { TMPDIR: folder };
  const first = start([...args, '--out', at('run')], own);
  // Once a checkpoint is there, the machine is lost, with all that it had.
  const lost = until(async () => (await s3.request('GET', 'run/last.safetensors')).ok);
  await Promise.race([lost, first.ended.then(({ stderr }) => assert.fail(stderr))]);
  first.interrupt('SIGKILL');
  await first.ended;
  const again = await vnet([...args, '--out', at('run')]);
  assert.equal(again.code, 1);
  assert.match(again.stderr, /^vnet: s3:\/\/street\/run: holds a run already; go on with --resume/);

  const { code, stdout, stderr } = await vnet(['train', '--out', at('run'), '--resume', '--no-report'], own);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /last checkpoint: s3:\/\/street\/run\/last\.safetensors/);
  const fetched = path.join(folder, 'fetched.safetensors');
  await fs.writeFile(fetched, await s3.get('run/last.safetensors'));
  await assertSameTraining(fetched, path.join(local, 'last.safetensors'));
  assert.ok((await s3.get('run/best.safetensors')).length > 0);
  const none = await vnet(['train', '--out', at('nothing'), '--resume']);
  assert.match(none.stderr, /^vnet: s3:\/\/street\/nothing: holds no run to resume/);
  const left = (await fs.readdir(folder)).filter((name) => name.startsWith('vnet-run-'));
  assert.equal(left.length, 1, 'only what was killed leaves its folder');
});

test('a store that fails during a training: told once, and what was trained stays on the disk', {
  skip,
}, async () => {
  const args = '--epochs 12 --batch 2 --size 32x32 crop --save-every 0.0001 --validate-every 0'.split(' ');
  const machine = ['--threads', '1', '--workers', '0', '--device', 'wasm', '--no-report'];
  const training = start(['train', '--data', data, '--out', at('lost'), ...args, ...machine]);
  try {
    const begun = until(async () => (await s3.request('GET', 'lost/last.safetensors')).ok);
    await Promise.race([begun, training.ended.then(({ stderr }) => assert.fail(stderr))]);
    await s3.lock(true);
    const { code, stderr } = await training.ended;
    assert.equal(code, 1);
    assert.equal(stderr.match(/trying again with the next checkpoint/g)?.length, 1, stderr);
    const [, kept] =
      /AWS_ACCESS_KEY_ID.*; the run lies in (\S+): copy it, or go on there\n$/.exec(stderr) ?? [];
    assert.ok(kept, stderr);
    const whole = await readTraining(path.join(kept, 'last.safetensors'));
    assert.equal(whole.progress.step, 36);
    await fs.rm(kept, { recursive: true });
  } finally {
    await s3.lock(false);
  }
});
