import type { Augmentation, Pair, SizePolicy } from './augment/augmentation.js';
import { degradeInPlace } from './augment/degrade.js';
import { type Mix, mixInPlace } from './augment/mix.js';
import { prepare, preparedSize, sampleRng } from './augment/prepare.js';
import { drawLabelsInPlace, softRng, softSize } from './augment/softLabels.js';
import { type CheckTask, checkSample, type SampleFacts } from './check-sample.js';
import type { ClassTable } from './classes.js';
import type { Sample } from './dataset.js';
import { readImageSize } from './image.js';
import { readSample } from './read-sample.js';
import { Rng } from './rng.js';
import { type SceneTask, writeScene } from './scene-files.js';
import { readSoftLabels } from './softLabels.js';

/** Decoded pixels in shared memory: what the cache holds. */
export interface Decoded {
  width: number;
  height: number;
  image: SharedArrayBuffer;
  labels: SharedArrayBuffer;
}

/** A sample's place in a batch: one buffer with the images, count × H × W × 3, then the labels, count × H × W. */
export interface Place {
  buffer: SharedArrayBuffer;
  position: number;
  count: number;
  height: number;
  width: number;
}

/** Bytes of a batch. */
export const placeBytes = ({ count, height, width }: Omit<Place, 'buffer' | 'position'>): number =>
  count * height * width * 4;

/** The parts of a batch's buffer. */
export function viewsOf({ buffer, count, height, width }: Omit<Place, 'position'>) {
  const pixels = count * height * width;
  return {
    images: new Uint8Array(buffer, 0, 3 * pixels),
    labels: new Uint8Array(buffer, 3 * pixels, pixels),
  };
}

/** Soft labels of a sample, see `drawLabelsInPlace`. */
export interface Soft {
  file: string;
  share: number;
}

/** A sample of which a part is laid over another. */
export interface Over extends Pick<Mix, 'kind' | 'seed'> {
  sample: Sample;
  soft?: Soft;
  cached?: Decoded;
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
  /** Labels of teachers, of which a share is drawn. */
  soft?: Soft;
  /** Another sample that is laid over this one. */
  over?: Over;
  cached?: Decoded;
  /** Return the decoded pixels for the cache. */
  keep: boolean;
  /** Where the sample goes if it has that size. */
  place: Place;
}

/** Read the size of an image, as stored. */
export interface SizeTask {
  kind: 'size';
  file: string;
}

/** A sample ready for a batch. */
export interface Loaded {
  width: number;
  height: number;
  /** Its pixels where it is not in its place, having another size. */
  own?: { image: Uint8Array; labels: Uint8Array };
  decoded?: Decoded;
}

export type Task = LoadTask | SizeTask | CheckTask | SceneTask;
/** What each task gives. */
export type ResultOf<T extends Task> = T extends LoadTask
  ? Loaded
  : T extends SizeTask
    ? { height: number; width: number }
    : T extends CheckTask
      ? SampleFacts
      : Record<string, never>;

/** Runs a task on this thread. */
export async function runTask<T extends Task>(task: T): Promise<ResultOf<T>> {
  return (await run(task)) as ResultOf<T>;
}

function run(task: Task): Promise<ResultOf<Task>> {
  if (task.kind === 'load') return load(task);
  if (task.kind === 'size') return readImageSize(task.file);
  return task.kind === 'check' ? checkSample(task) : writeScene(task);
}

/** The buffers of a result that can move to another thread instead of being copied. */
export function transferable(result: ResultOf<Task>): ArrayBuffer[] {
  if (!('own' in result) || !(result.own instanceof Object)) return [];
  const { image, labels } = (result as Loaded).own!;
  return [image.buffer, labels.buffer].filter(
    (buffer): buffer is ArrayBuffer => buffer instanceof ArrayBuffer,
  );
}

async function load(task: LoadTask): Promise<Loaded> {
  const { cached, size, augment } = task;
  const place = pairAt(task.place);
  // Where no pixel moves but by mirroring, a full image is decoded where it goes, and mirrored there.
  const { scale, rotate, perspective } = augment ?? {};
  const inPlace = size === 'full' && !scale && !rotate && !perspective;
  const pair = cached ? pairOf(cached) : await readSample(task, task.sample, inPlace ? place : undefined);
  const decoded = task.keep && !cached ? share(pair) : undefined;
  if (task.soft) await soften(pair, task.soft, task, softRng(task.seed, task.epoch, task.index));
  const { width, height } = preparedSize(pair.image, size);
  const fits = width === place.image.width && height === place.image.height;
  const rng = sampleRng(task.seed, task.epoch, task.index);
  const ready = prepare(pair, size, augment, rng, fits ? place : undefined);
  if (cached && !fits) {
    // A sample that nothing changed must not leave by the memory of the cache: the consumer may write to it.
    if (ready.image.data === pair.image.data) ready.image = copyOf(ready.image);
    if (ready.labels.data === pair.labels.data) ready.labels = copyOf(ready.labels);
  }
  if (task.over) await layOver(ready, task.over, task);
  if (augment) await degradeInPlace(ready.image, augment, rng);
  const own = fits ? undefined : { image: ready.image.data, labels: ready.labels.data };
  return { width, height, decoded, own };
}

/** Prepares another sample as if it stood alone, and lays a part of it over one that is ready; of another size, nothing. */
async function layOver(ready: Pair, over: Over, { size, augment, classes }: LoadTask): Promise<void> {
  const rng = Rng.of(over.seed);
  const pair = over.cached ? pairOf(over.cached) : await readSample({ classes }, over.sample);
  if (over.soft) await soften(pair, over.soft, { classes, cached: over.cached }, Rng.of(over.seed, 1));
  const { width, height } = preparedSize(pair.image, size);
  if (width !== ready.image.width || height !== ready.image.height) return;
  mixInPlace(ready, prepare(pair, size, augment, rng), over.kind, rng);
}

/** Draws labels of teachers; the memory of the cache stays as it is. */
async function soften(
  pair: Pair,
  { file, share }: Soft,
  { classes, cached }: Pick<LoadTask, 'classes' | 'cached'>,
  rng: Rng,
): Promise<void> {
  const size = { ...softSize(pair.image), classes: classes.names.length };
  const soft = await readSoftLabels(file, size);
  if (cached) pair.labels = copyOf(pair.labels);
  drawLabelsInPlace(pair.labels, soft, share, rng);
}

const copyOf = <T extends { data: Uint8Array }>(image: T): T => ({
  ...image,
  data: Uint8Array.from(image.data),
});

function pairOf({ width, height, image, labels }: Decoded): Pair {
  return {
    image: { width, height, data: new Uint8Array(image) },
    labels: { width, height, data: new Uint8Array(labels) },
  };
}

function pairAt(place: Place): Pair {
  const { width, height, position } = place;
  const { images, labels } = viewsOf(place);
  const pixels = height * width;
  return {
    image: { width, height, data: images.subarray(3 * pixels * position, 3 * pixels * (position + 1)) },
    labels: { width, height, data: labels.subarray(pixels * position, pixels * (position + 1)) },
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
