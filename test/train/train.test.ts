import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { LOSS_SCALE } from '../../src/compile.js';
import { deviceAt } from '../../src/device.js';
import { DeviceError, UserError } from '../../src/errors.js';
import type { Phase } from '../../src/ir/graph.js';
import { loadModel } from '../../src/model/load.js';
import { readTraining, runFiles } from '../../src/train/checkpoint.js';
import type { TrainEvent } from '../../src/train/events.js';
import { readMetrics } from '../../src/train/metrics.js';
import type { TrainOptions } from '../../src/train/train.js';
import { train } from '../../src/train/train.js';
import { shortRun, writeDataset } from './support.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-train-'));
const at = (name: string) => path.join(folder, name);
const data = at('data');
before(() => writeDataset(data, { train: 7, val: 2 }));
after(() => rmSync(folder, { recursive: true }));

/** All of a checkpoint that must not depend on interruptions. */
async function stateOf(out: string) {
  const { weights, average, optimizer, progress } = await readTraining(runFiles(out).last);
  const { metricsBytes, ...rest } = progress;
  assert.ok(metricsBytes > 0);
  return { weights, average, optimizer, progress: rest };
}

test('learns two images: the loss falls more than five times, and the run folder holds what it should', async () => {
  await writeDataset(at('two'), { train: 2, val: 1 });
  const out = at('overfit');
  const events: TrainEvent[] = [];
  const result = await train({
    ...shortRun(at('two'), out),
    epochs: 30,
    learningRate: 2e-2,
    augment: { flip: false },
    average: undefined,
    validateEvery: 10,
    samples: 1,
    onEvent: (event) => events.push(event),
  });
  const losses = events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
  assert.equal(losses.length, 30);
  assert.ok(losses[0] > 5 * losses[29], `${losses[0]} → ${losses[29]}`);
  assert.equal(result.interrupted, false);
  assert.ok(result.bestMiou! > 0.8, `mIoU ${result.bestMiou}`);
  const metrics = await readMetrics(runFiles(out).metrics);
  const validations = metrics.filter(({ type }) => type === 'validation');
  assert.deepEqual(
    validations.map(({ epoch }) => epoch),
    [9, 19, 29],
  );
  const means = metrics.flatMap((line) => (line.type === 'step' ? [line.loss] : []));
  // An epoch has one step here, and its end writes a line.
  assert.deepEqual(means, losses);
  const model = await loadModel(result.best!);
  assert.equal(model.info.trained.miou, result.bestMiou);
  assert.deepEqual(model.info.classes.names, ['dark', 'bright']);
  assert.ok(existsSync(path.join(out, 'samples', 'epoch-0010-val0.jpg')));
  const validation = JSON.parse(readFileSync(path.join(out, 'validation.json'), 'utf8'));
  assert.equal(validation.images[0].id, 'val0');
});

test('a run stopped and resumed at any step ends in the same weights, bit for bit', async () => {
  const whole = at('whole');
  await train(shortRun(data, whole));
  const expected = await stateOf(whole);
  const wholeMetrics = await readMetrics(runFiles(whole).metrics);
  // Three steps an epoch: inside the first and second epoch, at an epoch's end, at the last step.
  for (const stops of [[1], [3], [2, 5], [1, 2, 3, 4, 5, 6, 7, 8, 9]]) {
    const out = at(`stopped-${stops.join('-')}`);
    let resume = false;
    for (const stop of stops) {
      const abort = new AbortController();
      const onEvent = (event: TrainEvent) => {
        if (event.type === 'step' && event.step === stop) abort.abort();
      };
      const { interrupted, step } = await train({
        ...shortRun(data, out),
        resume,
        signal: abort.signal,
        onEvent,
      });
      assert.deepEqual([interrupted, step], [true, stop]);
      resume = true;
    }
    await train({ ...shortRun(data, out), resume: true });
    assert.deepEqual(await stateOf(out), expected);
    const metrics = await readMetrics(runFiles(out).metrics);
    const scores = (lines: typeof metrics) =>
      lines.flatMap((line) => (line.type === 'validation' ? [[line.step, line.miou]] : []));
    assert.deepEqual(scores(metrics), scores(wholeMetrics));
    const steps = metrics.map(({ type, step }) => `${type} ${step}`);
    assert.equal(new Set(steps).size, steps.length);
  }
});

test('so it does on the CPU backend, even with another number of threads', async () => {
  const options = { ...shortRun(data, at('cpu')), device: wasmBackend, threads: 1 };
  await train(options);
  const out = at('cpu-stopped');
  const abort = new AbortController();
  const onEvent = (event: TrainEvent) => event.type === 'step' && event.step === 4 && abort.abort();
  await train({ ...options, out, signal: abort.signal, onEvent });
  await train({ ...options, out, threads: 2, resume: true });
  assert.deepEqual(await stateOf(out), await stateOf(at('cpu')));
});

test('and so it does with SGD, accumulated batches, a crop, and no average', async () => {
  const options: TrainOptions = {
    ...shortRun(data, at('sgd')),
    average: undefined,
    optimizer: 'sgd',
    batch: 1,
    accumulate: 2,
    size: { crop: [32, 32] },
    classWeights: { enet: 1.1 },
    augment: { scale: [0.8, 1.5], jitter: 0.3 },
  };
  await train(options);
  const out = at('sgd-stopped');
  const abort = new AbortController();
  const onEvent = (event: TrainEvent) => event.type === 'step' && event.step === 4 && abort.abort();
  await train({ ...options, out, signal: abort.signal, onEvent });
  await train({ ...options, out, resume: true });
  const state = await stateOf(out);
  assert.deepEqual(state, await stateOf(at('sgd')));
  assert.equal(state.progress.step, 9);
  assert.ok([...state.optimizer.keys()].every((name) => name.startsWith('sgd.velocity/')));
});

test('resuming a finished run changes nothing', async () => {
  const out = at('finished');
  await train(shortRun(data, out));
  const bytes = readFileSync(runFiles(out).last);
  assert.equal((await train({ ...shortRun(data, out), resume: true })).interrupted, false);
  assert.deepEqual(readFileSync(runFiles(out).last), bytes);
});

test('an abort during validation leaves it to be done on resuming', async () => {
  const out = at('in-validation');
  const abort = new AbortController();
  const onEvent = ({ type }: TrainEvent) => type === 'validating' && abort.abort();
  const result = await train({ ...shortRun(data, out), signal: abort.signal, onEvent });
  assert.deepEqual([result.interrupted, result.step, result.bestMiou], [true, 3, undefined]);
  const steps: number[] = [];
  await train({
    ...shortRun(data, out),
    resume: true,
    onEvent: (event) => event.type === 'validation' && steps.push(event.step),
  });
  assert.deepEqual(steps, [3, 6, 9]);
});

test('a damaged last checkpoint falls back, says so, and still ends in the same weights', async () => {
  const whole = at('fallback-whole');
  await train(shortRun(data, whole));
  const out = at('fallback');
  const abort = new AbortController();
  const stop = (event: TrainEvent) => event.type === 'step' && event.step === 5 && abort.abort();
  await train({ ...shortRun(data, out), signal: abort.signal, onEvent: stop });
  const { last } = runFiles(out);
  const bytes = readFileSync(last);
  bytes[bytes.length - 100] ^= 4;
  writeFileSync(last, bytes);
  const notices: string[] = [];
  const onEvent = (event: TrainEvent) => event.type === 'notice' && notices.push(event.message);
  await train({ ...shortRun(data, out), resume: true, onEvent });
  assert.match(notices.join('\n'), /last\.safetensors: its content does not match its hash; .*going on from/);
  assert.deepEqual(await stateOf(out), await stateOf(whole));
});

test('a run in float16 goes on with the loss scale it had', async () => {
  const options = { ...shortRun(data, at('half')), epochs: 2, precision: 'f16' } as const;
  await train(options);
  const out = at('half-stopped');
  const abort = new AbortController();
  const onEvent = (event: TrainEvent) => event.type === 'step' && event.step === 4 && abort.abort();
  await train({ ...options, out, signal: abort.signal, onEvent });
  await train({ ...options, out, resume: true });
  const state = await stateOf(out);
  assert.deepEqual(state, await stateOf(at('half')));
  assert.deepEqual(state.progress.lossScale, { scale: LOSS_SCALE, steps: state.progress.step });
  await assert.rejects(train({ ...options, out, precision: undefined, resume: true }), /precision was "f16"/);
});

test('a GPU that is lost ends the run in one line, and the last save is there to go on from', async () => {
  const run = shortRun(data, at('lost'));
  const backend = await deviceAt(run);
  const options = { ...run, epochs: 1 };
  let runs = 0;
  const failing: Backend = {
    ...backend,
    async prepare(plan) {
      const executor = await backend.prepare(plan);
      const run = executor.run.bind(executor);
      return Object.assign(executor, {
        run: (...phases: Phase[]) => {
          if (phases.includes('backward') && ++runs === 3)
            throw new DeviceError('webgpu: the GPU was lost (…)');
          return run(...phases);
        },
      });
    },
  };
  await assert.rejects(
    train({ ...options, device: failing }),
    /^UserError: step 3 \(epoch 1\): webgpu: the GPU was lost \(…\)\. last\.safetensors in \S+ holds .+`resume`$/,
  );
  await train({ ...options, resume: true });
  const whole = at('never-lost');
  await train({ ...options, out: whole });
  assert.deepEqual(await stateOf(at('lost')), await stateOf(whole));
});

test('a loss that is not finite stops the run, names step and images, and keeps the last good checkpoint', async () => {
  const out = at('diverged');
  await assert.rejects(
    train({ ...shortRun(data, out), learningRate: 1e30, augment: { flip: false } }),
    (error) =>
      error instanceof UserError &&
      /^step 2 \(epoch 1\): the (loss|gradient) is (NaN|-?Infinity); its images: train\d, train\d\. [^\n]*last\.safetensors/.test(
        error.message,
      ),
  );
  const state = await readTraining(runFiles(out).last);
  assert.equal(state.progress.step, 0);
  for (const { data } of state.weights.values()) assert.ok(data.every(Number.isFinite));
});

test('the options of a run: refused where another run would be overwritten or changed', async () => {
  const out = at('guarded');
  await assert.rejects(
    train({ ...shortRun(data, out), resume: true }),
    /guarded: no such run folder to resume/,
  );
  await train({ ...shortRun(data, out), epochs: 1 });
  await assert.rejects(train({ ...shortRun(data, out), epochs: 1 }), /guarded: holds a run already/);
  await assert.rejects(
    train({ ...shortRun(data, out), epochs: 1, learningRate: 1, resume: true }),
    /learningRate was 0.005 and is 1 now; resume with the options of the run/,
  );
  await assert.rejects(train({ ...shortRun(data, at('x')), epochs: 0 }), /options: "epochs": /);
  await assert.rejects(train({ ...shortRun(data, at('x')), batch: 8 }), /7 images, fewer than a batch of 8/);
  await assert.rejects(
    train({ ...shortRun(data, at('x')), classWeights: [1, 2, 3] }),
    /classWeights has 3 numbers, but .* has 2 classes/,
  );
  assert.equal(existsSync(at('x')), false);
});

test('images of another size are named', async () => {
  await writeDataset(at('sizes'), { train: 2 });
  await writeDataset(at('other'), { train: 3 }, [32, 48]);
  for (const part of ['images', 'labels']) {
    writeFileSync(
      path.join(at('sizes'), part, 'train', 'train9.png'),
      readFileSync(path.join(at('other'), part, 'train', 'train2.png')),
    );
  }
  const options = { ...shortRun(at('sizes'), at('sized')), batch: 1 };
  await assert.rejects(
    train(options),
    /train9\.png: is 32×48, but .*train0\.png is 32×40; training needs one size/,
  );
  rmSync(at('sized'), { recursive: true, force: true });
  const notices: string[] = [];
  const result = await train({
    ...options,
    size: { resize: [32, 32] },
    onEvent: (event) => event.type === 'notice' && notices.push(event.message),
  });
  assert.equal(result.best, undefined);
  assert.match(notices.join(), /has no split 'val'/);
});

test('a run starts from a model with other classes: all but the head', async () => {
  const first = at('first');
  await train({ ...shortRun(data, first), epochs: 1, average: undefined });
  await writeDataset(at('three'), { train: 2 });
  writeFileSync(path.join(at('three'), 'classes.json'), '{"names": ["a", "b", "c"]}');
  const notices: string[] = [];
  const out = at('second');
  const init = runFiles(first).best;
  const abort = new AbortController();
  await train({
    ...shortRun(at('three'), out),
    epochs: 1,
    average: undefined,
    learningRate: 1e-30,
    weightDecay: 0,
    init,
    signal: abort.signal,
    onEvent: (event) => event.type === 'notice' && notices.push(event.message),
  });
  assert.match(notices.join(), /does not fit in head\.bias, head\.weight|head\.weight, head\.bias/);
  const { weights } = await readTraining(runFiles(out).last);
  const model = await loadModel(init);
  assert.deepEqual(weights.get('stem.conv1.weight')?.data, model.weights.get('stem.conv1.weight'));
  assert.equal(weights.get('head.weight')?.shape[3], 3);
});
