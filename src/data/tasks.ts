import type { TransferListItem } from 'node:worker_threads';
import { type Augmentation, type Pair, prepare, type SizePolicy, sampleRng } from './augment.js';
import { type CheckTask, checkSample, type SampleFacts } from './check-sample.js';
import type { ClassTable } from './classes.js';
import type { Sample } from './dataset.js';
import { readSample } from './datasets.js';
import { type SceneTask, writeScene } from './scene-files.js';

/** Decoded pixels in shared memory: what the cache holds. */
export interface Decoded {
  width: number;
  height: number;
  image: SharedArrayBuffer;
  labels: SharedArrayBuffer;
}

/** Decode (or take from the cache) and augment one sample. */
export interface LoadTask {
  kind: 'load';
  sample: Sample;
  classes: ClassTable;
  /** Position in the sorted split. */
  index: number;
  seed: number;
  epoch: number;
  size: SizePolicy;
  augment?: Augmentation;
  cached?: Decoded;
  /** Return the decoded pixels for the cache. */
  keep: boolean;
}

/** A sample ready for a batch. */
export interface Loaded {
  width: number;
  height: number;
  image: Uint8Array;
  labels: Uint8Array;
  decoded?: Decoded;
}

export type Task = LoadTask | CheckTask | SceneTask;
/** What each task gives. */
export type ResultOf<T extends Task> = T extends LoadTask
  ? Loaded
  : T extends CheckTask
    ? SampleFacts
    : Record<string, never>;

/** Runs a task on this thread. */
export async function runTask<T extends Task>(task: T): Promise<ResultOf<T>> {
  return (await run(task)) as ResultOf<T>;
}

function run(task: Task): Promise<ResultOf<Task>> {
  if (task.kind === 'load') return load(task);
  return task.kind === 'check' ? checkSample(task) : writeScene(task);
}

/** The buffers of a result that can move to another thread instead of being copied. */
export function transferable(result: ResultOf<Task>): TransferListItem[] {
  if (!('image' in result) || !(result.image instanceof Uint8Array)) return [];
  const buffers = [result.image.buffer, (result as Loaded).labels.buffer];
  return buffers.filter((buffer): buffer is ArrayBuffer => buffer instanceof ArrayBuffer);
}

async function load(task: LoadTask): Promise<Loaded> {
  const { cached } = task;
  let pair: Pair;
  if (cached) {
    const { width, height } = cached;
    pair = {
      image: { width, height, data: new Uint8Array(cached.image) },
      labels: { width, height, data: new Uint8Array(cached.labels) },
    };
  } else pair = await readSample(task, task.sample);
  const ready = prepare(pair, task.size, task.augment, sampleRng(task.seed, task.epoch, task.index));
  const { width, height } = ready.image;
  // A cached sample that nothing changed must not leave by its own memory: the consumer may write to it.
  const own = (data: Uint8Array, source: Uint8Array) =>
    cached && data === source ? Uint8Array.from(data) : data;
  return {
    width,
    height,
    decoded: task.keep && !cached ? share(pair) : undefined,
    image: own(ready.image.data, pair.image.data),
    labels: own(ready.labels.data, pair.labels.data),
  };
}

function share({ image, labels }: Pair): Decoded {
  const copy = (data: Uint8Array) => {
    const shared = new SharedArrayBuffer(data.length);
    new Uint8Array(shared).set(data);
    return shared;
  };
  return { width: image.width, height: image.height, image: copy(image.data), labels: copy(labels.data) };
}
