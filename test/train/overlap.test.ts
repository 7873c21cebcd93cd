import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend, Executor } from '../../src/backends/backend.js';
import { MemoryFiles } from '../../src/data/storage/named.js';
import { UserError } from '../../src/errors.js';
import type { TrainEvent } from '../../src/train/events.js';
import { FilesStore } from '../../src/train/filesStore.js';
import { trainPictures } from '../../src/train/pictures.js';
import { randomPictures, roundingBackend, tinyNetwork } from './support.js';

/** Does what it is told in order, later, as a GPU: `run` resolves at once, reads wait for what was queued before. */
class QueueingExecutor implements Executor {
  readonly queues = true;
  private tail: Promise<unknown> = Promise.resolve();
  /** Steps whose gradient's norm was not read yet, now and at most. */
  private ahead = 0;
  most = 0;
  /** Norms read so far. */
  norms = 0;

  /** @param failing the norm, counted from 1, that is not finite. */
  constructor(
    private readonly executor: Executor,
    private readonly failing: number | undefined,
  ) {}

  get plan() {
    return this.executor.plan;
  }
  get allocatedBytes() {
    return this.executor.allocatedBytes;
  }
  private queue<T>(work: () => T | Promise<T>): Promise<T> {
    const done = this.tail.then(() => new Promise((resolve) => setImmediate(resolve))).then(work);
    this.tail = done;
    return done;
  }
  write(slot: string, data: Float32Array | Uint8Array, at?: number): void {
    const copy = data.slice();
    void this.queue(() => this.executor.write(slot, copy, at));
  }
  async read(slot: string) {
    const data = await this.queue(() => this.executor.read(slot));
    if (slot !== 'gradientNorm') return data;
    this.ahead--;
    return ++this.norms === this.failing ? Float32Array.of(Number.NaN) : data;
  }
  async run(...phases: Parameters<Executor['run']>) {
    if (phases.includes('update')) this.most = Math.max(this.most, ++this.ahead);
    void this.queue(() => this.executor.run(...phases));
  }
  profile(...phases: Parameters<Executor['run']>) {
    return this.executor.profile(...phases);
  }
  dispose() {
    return this.queue(() => this.executor.dispose());
  }
}

async function train(queueing: boolean, failing?: number) {
  const executors: QueueingExecutor[] = [];
  const device: Backend = {
    ...roundingBackend,
    async prepare(plan) {
      const executor = await roundingBackend.prepare(plan);
      if (!queueing || !plan.slots.grads) return executor;
      executors.push(new QueueingExecutor(executor, failing));
      return executors[0];
    },
  };
  const store = new FilesStore(new MemoryFiles());
  const events: TrainEvent[] = [];
  await trainPictures({
    ...{ device, store, network: tinyNetwork, epochs: 2, batch: 2, learningRate: 5e-3, average: 0.9 },
    train: randomPictures(8, 5),
    validation: randomPictures(2, 5),
    classes: { names: ['dark', 'bright'], colours: [] },
    onEvent: (event) => events.push(event),
  });
  const told = events.map((event) =>
    event.type === 'step'
      ? [event.step, event.epoch, event.stepInEpoch, event.loss, event.gradientNorm, event.learningRate]
      : event.type,
  );
  return { told, last: (await store.readLast())!, most: executors[0]?.most };
}

test('where runs queue, a step begins before the one before is told of, and all is as without', async () => {
  const [apart, overlapping] = [await train(false), await train(true)];
  assert.equal(overlapping.most, 2);
  assert.equal(overlapping.told.filter(Array.isArray).length, 8);
  assert.deepEqual(overlapping.told, apart.told);
  const { weights, optimizer, average, progress } = overlapping.last;
  assert.deepEqual(weights, apart.last.weights);
  assert.deepEqual(optimizer, apart.last.optimizer);
  assert.deepEqual(average, apart.last.average);
  assert.equal(progress.step, apart.last.progress.step);
});

test('a step that fails is named by its own number and pictures, though the next has begun', async () => {
  await assert.rejects(
    train(true, 3),
    (error) =>
      error instanceof UserError &&
      /^step 3 \(epoch 1\): the gradient is NaN; its images: picture \d, picture \d\. /.test(error.message),
  );
});
