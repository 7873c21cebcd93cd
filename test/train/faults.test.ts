import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Backend, Executor } from '../../src/backends/backend.js';
import { runCli } from '../../src/cli/program.js';
import { writeLabelPng } from '../../src/data/image.js';
import { deviceAt } from '../../src/device.js';
import { UserError } from '../../src/errors.js';
import { readModel, writeModel } from '../../src/model/file.js';
import { loadModel, shippedModel } from '../../src/model/load.js';
import { readTraining, runFiles } from '../../src/train/checkpoint.js';
import type { TrainEvent } from '../../src/train/events.js';
import { train } from '../../src/train/train.js';
import { shortRun, writeDataset } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-faults-'));
const at = (...parts: string[]) => path.join(folder, ...parts);
const data = at('data');
before(() => writeDataset(data, { train: 4, val: 1 }));
after(() => rmSync(folder, { recursive: true, force: true }));

/** The one line with which a call ends. */
async function message(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  assert.ok(error instanceof UserError, String((error as Error | undefined)?.stack ?? 'no error'));
  assert.ok(!error.message.includes('\n'), error.message);
  return error.message;
}

test('meaningless training ends, and says why', async () => {
  await writeDataset(at('one'), { train: 4 });
  for (const name of readdirSync(at('one', 'labels', 'train'))) {
    const labels = { width: 40, height: 32, data: new Uint8Array(40 * 32) };
    await writeLabelPng(at('one', 'labels', 'train', name), labels);
  }
  const weightless = train({ ...shortRun(at('one'), at('weightless')), classWeights: [0, 1] });
  assert.match(await message(weightless), /no pixel of the first epoch counts: .*class has weight 0/);
  const zero = train({ ...shortRun(data, at('zero')), classWeights: [0, 0] });
  assert.match(await message(zero), /"classWeights.*all are 0: nothing would be learnt/);
  assert.ok(!existsSync(at('zero')));

  const run = shortRun(data, at('diverged'));
  const backend = await deviceAt(run);
  let reads = 0;
  const diverging: Backend = {
    ...backend,
    async prepare(plan) {
      const executor: Executor = await backend.prepare(plan);
      const read = executor.read.bind(executor);
      executor.read = async (slot) =>
        slot === 'loss' && ++reads === 3 ? Float32Array.of(1e8, 100) : read(slot);
      return executor;
    },
  };
  const diverged = await message(train({ ...run, device: diverging }));
  assert.match(
    diverged,
    /^step \d \(epoch \d\): the loss is 100000000; .*last\.safetensors .*lower the learning rate/,
  );
});

test('a model of NaNs is refused, with how many values', async () => {
  const { info, weights } = await readModel(shippedModel);
  const tensors = new Map(
    [...weights].map(([name, { shape, data }]) => [name, { shape, data: data.slice() }]),
  );
  tensors.get('head.weight')!.data.fill(Number.NaN, 3, 10);
  await writeModel(at('nan.safetensors'), info, tensors);
  assert.match(
    await message(loadModel(at('nan.safetensors'))),
    /nan\.safetensors: 7 of 1672 values of its tensor head\.weight are no numbers/,
  );
});

/** Does something to the run folder after some steps. */
function disturbed(out: string, disturb: () => void): Promise<unknown> {
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'step' && event.step === 3) disturb();
  };
  return train({ ...shortRun(data, out), logEvery: 1, onEvent });
}

test('a run folder that is moved or deleted: one line, and what was saved is left alone', async () => {
  const moved = await message(disturbed(at('moved'), () => renameSync(at('moved'), at('moved-away'))));
  assert.match(
    moved,
    /moved: was moved, deleted or replaced during the training\. last\.safetensors in \S+moved holds step \d/,
  );
  assert.ok(!existsSync(at('moved')), 'no half of a run in its place');
  const step = Number(/holds step (\d)/.exec(moved)![1]);
  assert.equal((await readTraining(runFiles(at('moved-away')).last)).progress.step, step);
  // As the message says.
  renameSync(at('moved-away'), at('moved'));
  await train({ ...shortRun(data, at('moved')), resume: true });
  const gone = await message(disturbed(at('gone'), () => rmSync(at('gone'), { recursive: true })));
  assert.match(gone, /gone: was moved, deleted or replaced/);
});

test('a full disk in the middle of an epoch: the file, and the checkpoint to go on from', async (context) => {
  const disk = at('disk');
  mkdirSync(disk);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]).status !== 0) {
    context.skip('needs the right to mount a small disk');
    return;
  }
  try {
    const out = path.join(disk, 'run');
    const fill = () => {
      try {
        writeFileSync(path.join(disk, 'filler'), Buffer.alloc(4 << 20));
      } catch {
        // Full, as wanted.
      }
    };
    const full = await message(disturbed(out, fill));
    assert.match(
      full,
      /: cannot be written \(no space left on the disk\); .*last\.safetensors in \S+run holds step \d/,
    );
    const step = Number(/holds step (\d)/.exec(full)![1]);
    assert.equal((await readTraining(runFiles(out).last)).progress.step, step);
    rmSync(path.join(disk, 'filler'));
    const { interrupted } = await train({ ...shortRun(data, out), resume: true });
    assert.equal(interrupted, false);
  } finally {
    spawnSync('umount', [disk]);
  }
});

test('places that cannot be: one line that names the place, for every command that writes', async (context) => {
  symlinkSync('loop', at('loop'));
  writeFileSync(at('file'), 'x');
  const places: [string, RegExp, number][] = [
    ['', /--out <dir>.*an empty name/, 2],
    [at('file', 'below'), /file.*below.*: .*a part of its path is a file/, 1],
    [at('n'.repeat(300)), /nnn.*the name is too long/, 1],
    [at('loop', 'run'), /loop.*: .*links go in a loop/, 1],
  ];
  const commands = [
    ['train', '--data', data, '--batch', '2', '--epochs', '1', '--threads', '1', '--no-report'],
    ['synth', '--count', '2', '--size', '48x64'],
    ['predict', '--data', data, '--split', 'val', '--threads', '1'],
  ];
  const told: string[] = [];
  context.mock.method(process.stderr, 'write', (text: string) => told.push(text) > 0);
  for (const command of commands) {
    for (const [place, pattern, exitCode] of places) {
      told.length = 0;
      const code = await runCli([...command, '--out', place]);
      const line = told.join('').trimEnd().split('\n').at(-1)!;
      const what = `${command[0]} --out ${place.slice(-20)}: ${line}`;
      assert.equal(code, exitCode, what);
      assert.match(line, pattern, what);
      assert.doesNotMatch(line, /unexpected/, what);
    }
  }
});
