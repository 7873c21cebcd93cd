import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { writeLabelPng } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { UserError } from '../../src/errors.js';
import { meanProbabilities } from '../../src/eval/views.js';
import { readTraining, runFiles } from '../../src/train/checkpoint.js';
import type { TrainEvent } from '../../src/train/events.js';
import { train } from '../../src/train/train.js';
import { shortRun, writeDataset } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-teacher-'));
const at = (name: string) => path.join(folder, name);
after(() => rmSync(folder, { recursive: true }));

const teacher = at('teacher.safetensors');
const learning = { epochs: 20, batch: 2, learningRate: 2e-2, average: undefined, validateEvery: 20 };

/** A teacher that knows bright from dark, and a data set whose training labels say the opposite of what is true. */
before(async () => {
  await writeDataset(at('right'), { train: 4, val: 2 });
  await train({ ...shortRun(at('right'), at('knows')), ...learning });
  copyFileSync(runFiles(at('knows')).best, teacher);
  await writeDataset(at('wrong'), { train: 4, val: 2 });
  const labels = at('wrong/labels/train');
  for (const name of await readdir(labels)) {
    const file = path.join(labels, name);
    const { height, width, data } = await readLabels(file, {});
    await writeLabelPng(file, { height, width, data: data.map((id) => (id === 255 ? 255 : 1 - id)) });
  }
});

const student = (out: string) => ({
  ...shortRun(at('wrong'), out),
  ...learning,
  teacher: { models: [teacher], share: 1 },
});

test('a student whose labels are all wrong learns what is right from its teacher', async () => {
  const events: TrainEvent[] = [];
  const taught = await train({ ...student(at('taught')), onEvent: (event) => events.push(event) });
  const alone = await train({ ...student(at('alone')), teacher: undefined });
  assert.ok(taught.bestMiou! > 0.8, `with a teacher: mIoU ${taught.bestMiou}`);
  assert.ok(alone.bestMiou! < 0.3, `without: mIoU ${alone.bestMiou}`);
  const seen = events.flatMap((event) => (event.type === 'teaching' ? [event.done] : []));
  assert.deepEqual(seen, [1, 2, 3, 4]);
});

test('stopped and resumed, it ends with the same bits, and the teacher looks at each picture once', async () => {
  const short = (out: string) => ({
    ...student(out),
    epochs: 3,
    validateEvery: 0,
    teacher: { models: [teacher], share: 0.5, scales: [1, 1.5], flip: true },
    augment: { flip: true, classMix: 0.5 },
  });
  await train(short(at('whole')));
  // Once while the teacher looks, once between steps.
  for (const [type, count] of [
    ['teaching', 2],
    ['step', 3],
  ] as const) {
    const stop = new AbortController();
    let left: number = count;
    const onEvent = (event: TrainEvent) => {
      if (event.type === type && --left === 0) stop.abort();
    };
    const resume = type === 'step';
    const { interrupted } = await train({ ...short(at('parts')), resume, signal: stop.signal, onEvent });
    assert.equal(interrupted, true);
  }
  const files = [0, 1, 2, 3].map((i) => at(`parts/teacher/${i}.soft`));
  const stamps = files.map((file) => statSync(file).mtimeMs);
  await train({ ...short(at('parts')), resume: true });
  assert.deepEqual(
    files.map((file) => statSync(file).mtimeMs),
    stamps,
  );
  const [whole, parts] = await Promise.all(
    ['whole', 'parts'].map((out) => readTraining(runFiles(at(out)).last)),
  );
  assert.deepEqual(parts.weights, whole.weights);
  assert.deepEqual(parts.optimizer, whole.optimizer);
});

test('what cannot be is one line: other classes, another teacher under the same name, no model, a queue', async () => {
  const fails = (promise: Promise<unknown>, ...parts: string[]) =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof UserError, String(error));
      for (const part of parts) assert.ok(error.message.includes(part), error.message);
      return !error.message.includes('\n');
    });
  await writeDataset(at('named'), { train: 2 });
  writeFileSync(at('named/classes.json'), '{"names": ["bright", "dark"]}');
  await fails(train({ ...student(at('no')), data: at('named') }), teacher, 'bright, dark', 'dark, bright');
  const readme = at('named/classes.json');
  await fails(train({ ...student(at('no')), teacher: { models: [readme] } }), readme);
  await fails(train({ ...student(at('no')), gradients: () => assert.fail('no queue is opened') }), 'queue');
  const other = { ...student(at('other')), epochs: 1, teacher: { models: [at('mine.safetensors')] } };
  copyFileSync(teacher, at('mine.safetensors'));
  await train(other);
  copyFileSync(runFiles(at('alone')).best, at('mine.safetensors'));
  await fails(train({ ...other, resume: true }), 'teachers was');
});

test('mean probabilities at the centres of a grid are those of softmax over interpolated logits', () => {
  // One row of two cells, two classes; the second view is mirrored and sharper.
  const logits = (values: number[]) => ({ height: 1, width: 2, classes: 2, data: Float32Array.from(values) });
  const views = [
    { logits: logits([0, 1, 2, -1]), flipped: false },
    { logits: logits([3, 0, -2, 0]), flipped: true },
  ];
  const found = meanProbabilities(views, 1, 4);
  const second = (a: number, b: number) => Math.exp(b) / (Math.exp(a) + Math.exp(b));
  // Four centres over two cells lie at 0 (clamped), ¼, ¾ and 1.
  const expected = [0, 0.25, 0.75, 1].flatMap((u) => {
    const straight = second(0 + 2 * u, 1 - 2 * u);
    const mirrored = second(-2 + 5 * u, 0);
    const p = (straight + mirrored) / 2;
    return [Math.round(255 * (1 - p)), Math.round(255 * p)];
  });
  assert.deepEqual([...found], expected);
});
