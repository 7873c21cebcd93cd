import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { UserError } from '../../src/errors.js';
import { RunLock } from '../../src/train/lock.js';
import { train } from '../../src/train/train.js';
import { shortRun, writeDataset } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-lock-'));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'run.lock');
const write = (pid: number, host = hostname()) => writeFileSync(file, JSON.stringify({ pid, host }));

test('one object at a time; released, the folder is free and clean', async () => {
  const first = new RunLock(folder);
  assert.equal(await first.take(), undefined);
  assert.equal(await first.take(), undefined);
  assert.equal(JSON.parse(readFileSync(file, 'utf8')).pid, process.pid);
  const second = new RunLock(folder);
  await assert.rejects(second.take(), UserError);
  await second.release();
  assert.ok(existsSync(file), 'who does not have the lock cannot release it');
  await first.release();
  assert.ok(!existsSync(file));
  await second.take();
  await second.release();
});

test('a running process keeps its lock; that of a dead one is taken over', async () => {
  const other = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 60000)']);
  write(other.pid!);
  await assert.rejects(
    new RunLock(folder).take(),
    new RegExp(`^UserError: .*: process ${other.pid} trains here already`),
  );
  const exit = new Promise((resolve) => other.on('exit', resolve));
  other.kill('SIGKILL');
  await exit;
  const lock = new RunLock(folder);
  assert.equal(await lock.take(), other.pid);
  await lock.release();
});

test('another machine is never taken for dead; half a file is', async () => {
  write(1, 'another-machine');
  await assert.rejects(new RunLock(folder).take(), /process 1 on another-machine .* remove .*run\.lock/);
  for (const text of ['', '{"pid": 12', 'null', '{"pid": -1, "host": "x"}']) {
    writeFileSync(file, text);
    const lock = new RunLock(folder);
    assert.equal(await lock.take(), undefined, text);
    await lock.release();
  }
});

test('of many that find a stale lock, one gets it', async () => {
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  for (let round = 0; round < 20; round++) {
    write(pid);
    const locks = Array.from({ length: 4 }, () => new RunLock(folder));
    const results = await Promise.allSettled(locks.map((lock) => lock.take()));
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1);
    await Promise.all(locks.map((lock) => lock.release()));
    assert.ok(!existsSync(file));
  }
});

test('a run says that it takes over, and leaves neither lock nor temporary files', async () => {
  const data = path.join(folder, 'data');
  const out = path.join(folder, 'out');
  await writeDataset(data, { train: 2, val: 1 });
  const options = { ...shortRun(data, out), epochs: 1 };
  await train(options);
  assert.ok(!existsSync(path.join(out, 'run.lock')));
  const { pid } = spawnSync(process.execPath, ['-e', '0']);
  writeFileSync(path.join(out, 'run.lock'), JSON.stringify({ pid, host: hostname() }));
  const stray = path.join(out, '.last.safetensors.77.3.tmp');
  writeFileSync(stray, 'half');
  const notices: string[] = [];
  await train({
    ...options,
    resume: true,
    onEvent: (event) => event.type === 'notice' && notices.push(event.message),
  });
  assert.match(notices.join('\n'), new RegExp(`process ${pid} left it`));
  assert.ok(!existsSync(stray) && !existsSync(path.join(out, 'run.lock')));
  const held = new RunLock(out);
  await held.take();
  await assert.rejects(train({ ...options, resume: true }), /trains here already/);
  await held.release();
});
