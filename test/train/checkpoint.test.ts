import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { camvidClasses } from '../../src/data/layouts/camvid.js';
import { Rng } from '../../src/data/rng.js';
import { UserError } from '../../src/errors.js';
import { removeTemporaries } from '../../src/model/durable.js';
import { readModel, writeModel } from '../../src/model/file.js';
import { classesOf } from '../../src/model/format.js';
import { decodeSafetensors, encodeSafetensors } from '../../src/model/safetensors.js';
import type { TrainingState } from '../../src/train/checkpoint.js';
import { readLast, readTraining, runFiles, writeTraining } from '../../src/train/checkpoint.js';
import { damage } from '../damage.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-checkpoint-'));
after(() => rmSync(folder, { recursive: true }));
const at = (name: string) => path.join(folder, name);

function randomTensor(rng: Rng, shape: number[]) {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < data.length; i++) data[i] = rng.normal() * 10 ** rng.range(-6, 3);
  return { shape, data };
}

function exampleState(seed: number, step = 123): TrainingState {
  const rng = Rng.of(seed);
  const weights = new Map([
    ['stem.conv1.weight', randomTensor(rng, [3, 3, 3, 8])],
    ['stem.norm1.mean', randomTensor(rng, [1, 1, 1, 8])],
  ]);
  return {
    info: {
      network: { name: 'vnet', config: { classes: 11, alpha: 1 } },
      classes: classesOf(camvidClasses),
      trained: { epoch: 3, step, miou: 0.5 },
    },
    weights,
    average: new Map([...weights].map(([name, { shape }]) => [name, randomTensor(rng, shape)])),
    optimizer: new Map([['adam.m/stem.conv1.weight', randomTensor(rng, [3, 3, 3, 8])]]),
    progress: { epoch: 3, stepInEpoch: 7, step, bestMiou: 0.5, averageUpdates: 123, metricsBytes: 4567 },
    recipe: { seed: 5, batch: 4, size: [360, 480] },
  };
}

const plain = (tensors: ReadonlyMap<string, { shape: readonly number[]; data: Float32Array }> | undefined) =>
  tensors && [...tensors].map(([name, { shape, data }]) => [name, shape, data]);

test('safetensors: a file written by hand to the published layout is read', () => {
  // One I64 counter, one F16 vector (1, −2, 0.5) and one F32 scalar, header order unlike data order.
  const header = Buffer.from(
    '{"s":{"dtype":"F32","shape":[],"data_offsets":[14,18]},"__metadata__":{"a":"b"},' +
      '"n":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},"h":{"dtype":"F16","shape":[3],"data_offsets":[8,14]}}  ',
  );
  const data = Buffer.from('0500000000000000' + '003c00c00038' + '0000c03f', 'hex');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(header.length));
  const { tensors, metadata, verified } = decodeSafetensors(Buffer.concat([length, header, data]), 'x');
  assert.deepEqual([...tensors.get('n')!.data], [5]);
  assert.deepEqual([...tensors.get('h')!.data], [1, -2, 0.5]);
  assert.deepEqual([...tensors.get('s')!.data], [1.5]);
  assert.deepEqual(metadata, { a: 'b' });
  assert.equal(verified, false);
});

test('safetensors: float32 round trips bit for bit, float16 to half a unit in the last place', () => {
  const values = Float32Array.of(0, -0, 1, 1e-45, 3.4e38, Number.NaN, Number.POSITIVE_INFINITY, -1 / 3);
  const bytes = encodeSafetensors(new Map([['w', { shape: [2, 4], data: values }]]), { key: 'ä' });
  const read = decodeSafetensors(bytes, 'x');
  assert.deepEqual(new Uint8Array(read.tensors.get('w')!.data.buffer), new Uint8Array(values.buffer));
  assert.equal(read.metadata.key, 'ä');
  assert.equal(read.verified, true);
  assert.equal(bytes.length % 4, 0);

  const { data } = randomTensor(Rng.of(1), [1000]);
  const halves = encodeSafetensors(new Map([['w', { shape: [1000], data, storage: 'F16' as const }]]));
  for (const [i, value] of decodeSafetensors(halves, 'x').tensors.get('w')!.data.entries()) {
    const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(data[i])))) - 10);
    assert.ok(Math.abs(value - data[i]) <= unit / 2, `${data[i]} became ${value}`);
  }
  const large = { shape: [1], data: Float32Array.of(70000), storage: 'F16' as const };
  assert.throws(() => encodeSafetensors(new Map([['w', large]])), /w: the value 70000 does not fit float16/);
});

test('a training checkpoint round trips', async () => {
  const state = exampleState(1);
  await writeTraining(at('state.safetensors'), state);
  const read = await readTraining(at('state.safetensors'));
  assert.deepEqual(plain(read.weights), plain(state.weights));
  assert.deepEqual(plain(read.average), plain(state.average));
  assert.deepEqual(plain(read.optimizer), plain(state.optimizer));
  assert.deepEqual(
    { info: read.info, progress: read.progress, recipe: read.recipe },
    { info: state.info, progress: state.progress, recipe: state.recipe },
  );
});

test('the model inside a checkpoint is its averaged weights; a model file is no checkpoint', async () => {
  const state = exampleState(2);
  await writeTraining(at('state.safetensors'), state);
  assert.deepEqual(plain((await readModel(at('state.safetensors'))).weights), plain(state.average));
  await writeModel(at('model.safetensors'), state.info, state.weights);
  const model = await readModel(at('model.safetensors'));
  assert.deepEqual(plain(model.weights), plain(state.weights));
  assert.deepEqual(model.info, state.info);
  await assert.rejects(
    readTraining(at('model.safetensors')),
    /model.safetensors: is a model without training/,
  );
});

test('two generations are kept, and a damaged last falls back to the one before, and says so', async () => {
  const dir = at('run');
  const files = runFiles(dir);
  assert.equal(await readLast(dir), undefined);
  for (const step of [1, 2, 3]) await writeTraining(files.last, exampleState(step, step), files.previous);
  assert.equal((await readLast(dir))?.state.progress.step, 3);
  assert.equal((await readLast(dir))?.notice, undefined);

  writeFileSync(files.last, readFileSync(files.last).subarray(0, 1000));
  const fallen = await readLast(dir);
  assert.equal(fallen?.state.progress.step, 2);
  assert.match(fallen?.notice ?? '', /^[^\n]*last\.safetensors: .*going on from the checkpoint before it/);

  // The damaged file is out of the way: the next save keeps the good generation.
  await writeTraining(files.last, exampleState(4, 4), files.previous);
  assert.equal((await readTraining(files.previous)).progress.step, 2);

  rmSync(files.last);
  assert.equal((await readLast(dir))?.state.progress.step, 2);
  writeFileSync(files.previous, 'no checkpoint');
  await assert.rejects(readLast(dir), UserError);
});

test('what a killed writer leaves is removed, and only that', async () => {
  const names = ['.last.safetensors.77.0.tmp', '.metrics.jsonl.8.12.tmp', 'kept.77.0.tmp', '.kept.tmp'];
  for (const name of names) writeFileSync(at(name), 'half');
  await removeTemporaries(folder);
  const left = readdirSync(folder).filter((name) => name.endsWith('.tmp'));
  assert.deepEqual(left.sort(), ['.kept.tmp', 'kept.77.0.tmp']);
  await removeTemporaries(at('no such folder'));
});

test('500 random damages are each refused with one line that names the file', async () => {
  const seed = Number(process.env.SEED ?? Date.now() % 100000);
  const rng = Rng.of(seed);
  const good = at('good.safetensors');
  await writeTraining(good, exampleState(3));
  const bytes = readFileSync(good);
  const file = at('bad.safetensors');
  for (let i = 0; i < 500; i++) {
    const bad = damage(bytes, rng);
    if (bad.equals(bytes)) continue;
    writeFileSync(file, bad);
    for (const read of [readModel, readTraining]) {
      await assert.rejects(
        read(file),
        (error) => error instanceof UserError && /^[^\n]*bad\.safetensors: [^\n]+$/.test(error.message),
        `seed ${seed}, damage ${i}`,
      );
    }
  }
});

test('foreign files: another program, another version, no tensors at all', async () => {
  const file = at('foreign.safetensors');
  const write = (bytes: Uint8Array | string) => writeFileSync(file, bytes);
  const tensors = new Map([['w', { shape: [1], data: Float32Array.of(1) }]]);
  write(encodeSafetensors(tensors, { format: 'pt' }));
  await assert.rejects(readModel(file), /another program/);
  write(encodeSafetensors(tensors, { format: 'vnet-segmentation', version: '9' }));
  await assert.rejects(readModel(file), /format version 9/);
  write(encodeSafetensors(tensors, { format: 'vnet-segmentation', version: '1', kind: 'model' }));
  await assert.rejects(readModel(file), /foreign.safetensors: its metadata has no readable "normalization"/);
  for (const text of ['', '\x89PNG\r\n\x1a\n and so on', '{"json": true}', 'x'.repeat(5)]) {
    write(text);
    await assert.rejects(readModel(file), UserError);
  }
  await assert.rejects(readModel(at('missing.safetensors')), /missing.safetensors: cannot be read \(no such/);
});
