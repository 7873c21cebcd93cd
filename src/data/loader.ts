import { UserError } from '../errors.js';
import { type Augmentation, checkAugmentation, type SizePolicy } from './augment/augmentation.js';
import { drawMix } from './augment/mix.js';
import { preparedSize } from './augment/prepare.js';
import { SampleCache } from './cache.js';
import type { Dataset, Sample } from './dataset.js';
import { epochOrder } from './order.js';
import { Pool } from './pool.js';
import { type Loaded, type Over, type Place, placeBytes, type Soft, viewsOf } from './tasks.js';

/** What a {@link Loader} reads and how. */
export interface LoaderOptions {
  /** Images a batch; default 1. */
  batch?: number;
  /** Default 0. */
  seed?: number;
  /** A new order every epoch. Default false. */
  shuffle?: boolean;
  /** Default `full`: every image at its own size, equal within a batch. */
  size?: SizePolicy;
  /** Random changes; none where absent. */
  augment?: Augmentation;
  /**
   * Leave out the last batch where it is not full, as training does so that every step weighs the same.
   * Default: the value of `shuffle`. Evaluation keeps it.
   */
  dropLast?: boolean;
  /** Threads; 0 works on the calling thread. Default half the cores, at most 4. */
  workers?: number;
  /** Batches prepared ahead. Default 2. */
  ahead?: number;
  /**
   * Bytes of batches that may exist at once, prepared or in the consumer's hands; one always may. Default 48 MiB:
   * a single batch of four full Cityscapes images, which is filled again as soon as it is recycled.
   */
  aheadBytes?: number;
  /**
   * Labels of teachers: the file of each sample by its position, there when it is read, and the share of pixels that
   * take them. Default: none.
   */
  soft?: { fileOf(index: number): string; share: number };
  /** Where decoded samples are kept between epochs. Default: nowhere. */
  cache?: SampleCache;
  /**
   * Epochs that will be read one after the other: after the last batches of one, the first ones of the next are
   * prepared. Default 0: each call of {@link Loader.batches} stands alone.
   */
  epochs?: number;
}

/** A batch being prepared. */
interface Pending {
  epoch: number;
  step: number;
  batch: Promise<Batch>;
}

/** A batch, images as N × H × W × 3 and labels as N × H × W train ids (255 = ignore). */
export interface Batch {
  images: Uint8Array;
  labels: Uint8Array;
  ids: string[];
  height: number;
  width: number;
}

/**
 * Reads a labelled split in batches. The order and every random change depend only on (seed, epoch, sample),
 * so a run that starts again at any step gets the same batches, with any number of workers. One reader at a time;
 * threads live until {@link close}.
 */
export class Loader {
  /** Milliseconds the consumer has waited for batches so far. */
  waitMs = 0;
  readonly samples: readonly Sample[];
  /** Batches an epoch. */
  readonly steps: number;

  private readonly options: Required<Omit<LoaderOptions, 'augment' | 'soft' | 'workers'>> &
    Pick<LoaderOptions, 'augment' | 'soft'>;
  private readonly pool: Pool;
  private readonly queue: Pending[] = [];
  /** The batch to prepare after those in the queue. */
  private next = { epoch: 0, step: 0 };
  /** The last batch that was handed out, until it is recycled or the next one is asked for. */
  private given: Batch | undefined;
  /** Memory of recycled batches. */
  private readonly spare: SharedArrayBuffer[] = [];
  /** Size that images are expected to have: memory is ready for it before they are decoded. */
  private expected: Promise<{ height: number; width: number }> | undefined;
  private closed = false;
  /** Whether {@link batches} was asked for, so that what comes next is prepared. */
  private reading = false;

  /** @throws UserError for a split without labels, options out of range, or fewer images than a batch. */
  constructor(
    private readonly dataset: Dataset,
    readonly split: string,
    options: LoaderOptions = {},
  ) {
    const shuffle = options.shuffle ?? false;
    this.options = {
      batch: options.batch ?? 1,
      seed: options.seed ?? 0,
      shuffle,
      size: options.size ?? 'full',
      augment: options.augment,
      soft: options.soft,
      dropLast: options.dropLast ?? shuffle,
      ahead: options.ahead ?? 2,
      aheadBytes: options.aheadBytes ?? 48 * 2 ** 20,
      cache: options.cache ?? new SampleCache(),
      epochs: options.epochs ?? 0,
    };
    const { batch, dropLast, size } = this.options;
    if (!Number.isInteger(batch) || batch < 1)
      throw new UserError(`batch is ${batch}; expected 1 or more`, 2);
    if (size !== 'full') {
      const sides = 'crop' in size ? size.crop : size.resize;
      if (!sides.every((side) => Number.isInteger(side) && side >= 32)) {
        throw new UserError(
          `size is ${sides.join('×')}; expected height×width, each a whole number from 32`,
          2,
        );
      }
    }
    if (options.augment) checkAugmentation(options.augment);
    this.samples = dataset.samples(split);
    if (!this.samples[0].labels) {
      throw new UserError(
        `${dataset.root}: split '${split}' has no labels; looked for ${this.samples[0].expectedLabels}`,
      );
    }
    this.steps = dropLast ? Math.floor(this.samples.length / batch) : Math.ceil(this.samples.length / batch);
    if (this.steps === 0) {
      throw new UserError(
        `${dataset.root}: split '${split}' has ${this.samples.length} images, fewer than a batch of ${batch}; use a smaller batch`,
      );
    }
    this.pool = new Pool(options.workers);
  }

  /** The order of an epoch, as positions in {@link samples}: sorted, or Fisher–Yates from (seed, epoch). */
  order(epoch: number): number[] {
    const { length } = this.samples;
    return this.options.shuffle ? epochOrder(length, this.options.seed, epoch) : [...Array(length).keys()];
  }

  /** Names of the images of a batch. */
  ids(epoch: number, step: number): string[] {
    return this.indices(epoch, step).map((index) => this.samples[index].id);
  }

  /** The size of the first image after the size policy; with a crop or resize size, of all. Throws as storedSize. */
  async imageSize(): Promise<{ height: number; width: number }> {
    const { size } = this.options;
    return size === 'full' ? this.storedSize() : preparedSize({ height: 0, width: 0 }, size);
  }

  /**
   * The size of the first image as its file has it, from the header alone.
   * @throws UserError for a file that is no image.
   */
  storedSize(): Promise<{ height: number; width: number }> {
    return this.pool.run({ kind: 'size', file: this.samples[0].image });
  }

  /**
   * The batches of an epoch from `startStep` on.
   * @throws UserError for a file that cannot be used, or images of different sizes in a batch.
   */
  async *batches(epoch: number, startStep = 0): AsyncGenerator<Batch, void, void> {
    if (startStep >= this.steps) return;
    this.reading = true;
    this.seek(epoch, startStep);
    for (let step = startStep; step < this.steps; step++) {
      const start = performance.now();
      this.given = undefined;
      await this.fill();
      const batch = await this.take();
      this.waitMs += performance.now() - start;
      this.given = batch;
      await this.fill();
      yield batch;
    }
  }

  /**
   * One batch by itself, for readers that take them in an order of their own: what is ahead is theirs to ask for.
   * @throws UserError as {@link batches}, and for a batch that there is not.
   */
  async at(epoch: number, step: number): Promise<Batch> {
    if (!(step >= 0 && step < this.steps))
      throw new UserError(`there is no batch ${step}: the data has ${this.steps} an epoch`);
    return this.prepare(this.indices(epoch, step), epoch, await this.size());
  }

  /**
   * Gives a batch back: its memory is used for a later one, so its arrays must not be touched any more. A batch that
   * is never given back keeps its memory until it is garbage.
   */
  recycle(batch: Batch): void {
    if (this.given === batch) this.given = undefined;
    const { buffer } = batch.images;
    if (buffer instanceof SharedArrayBuffer && !this.spare.includes(buffer)) this.spare.push(buffer);
    if (!this.reading) {
      this.spare.length = Math.min(this.spare.length, 2);
      return;
    }
    // A failure is reported when its batch is due.
    this.fill().catch(() => undefined);
  }

  /** Ends the threads. */
  async close(): Promise<void> {
    this.closed = true;
    this.queue.length = 0;
    this.spare.length = 0;
    await this.pool.close();
  }

  /** Keeps what is in the queue from this batch on, which is where the next epoch's first batches wait. */
  private seek(epoch: number, step: number): void {
    const at = this.queue.findIndex((entry) => entry.epoch === epoch && entry.step === step);
    this.queue.splice(0, at < 0 ? this.queue.length : at);
    if (at < 0) this.next = { epoch, step };
  }

  private async take(): Promise<Batch> {
    try {
      return await this.queue[0].batch;
    } catch (error) {
      this.queue.length = 0;
      throw error;
    } finally {
      this.queue.shift();
    }
  }

  /** Starts as many batches as there may be. */
  private async fill(): Promise<void> {
    const expected = await this.size();
    const { batch, ahead, aheadBytes, epochs } = this.options;
    const fits = Math.floor(aheadBytes / placeBytes({ ...expected, count: batch }));
    const most = Math.max(1, Math.min(1 + ahead, fits));
    while (!this.closed && this.queue.length + (this.given ? 1 : 0) < most) {
      const { epoch, step } = this.next;
      if (step === this.steps) {
        if (epoch + 1 >= epochs) return;
        this.next = { epoch: epoch + 1, step: 0 };
        continue;
      }
      const pending = this.prepare(this.indices(epoch, step), epoch, expected);
      // A failure is reported when its batch is due; until then it must not count as unhandled.
      pending.catch(() => undefined);
      this.queue.push({ epoch, step, batch: pending });
      this.next = { epoch, step: step + 1 };
    }
    this.spare.length = Math.min(this.spare.length, most);
  }

  /** The size that images are expected to have. */
  private size(): Promise<{ height: number; width: number }> {
    this.expected ??= this.imageSize().catch((error: unknown) => {
      this.expected = undefined;
      throw error;
    });
    return this.expected;
  }

  /** Positions in {@link samples} of a batch. */
  private indices(epoch: number, step: number): number[] {
    const { batch } = this.options;
    return this.order(epoch).slice(step * batch, (step + 1) * batch);
  }

  /** Workers write samples of the expected size straight into the batch; others are put together here. */
  private async prepare(
    indices: number[],
    epoch: number,
    expected: { height: number; width: number },
  ): Promise<Batch> {
    const batch = { ...expected, count: indices.length };
    const bytes = placeBytes(batch);
    const fitting = this.spare.findIndex(({ byteLength }) => byteLength === bytes);
    const buffer = fitting < 0 ? new SharedArrayBuffer(bytes) : this.spare.splice(fitting, 1)[0];
    const parts = await Promise.all(
      indices.map((index, position) => this.load(index, epoch, { ...batch, buffer, position })),
    );
    const [{ height, width }] = parts;
    const odd = parts.findIndex((part) => part.width !== width || part.height !== height);
    if (odd >= 0) {
      throw new UserError(
        `${this.samples[indices[odd]].image}: is ${parts[odd].height}×${parts[odd].width} but ` +
          `${this.samples[indices[0]].image} in the same batch is ${height}×${width}; choose a crop or resize size, or batch 1`,
      );
    }
    const ids = indices.map((index) => this.samples[index].id);
    if (parts[0].own) {
      this.expected = Promise.resolve({ height, width });
      return { ...assemble(parts, height * width), ids, height, width };
    }
    return { ...viewsOf({ ...batch, buffer }), ids, height, width };
  }

  private async load(index: number, epoch: number, place: Place): Promise<Loaded> {
    const { seed, size, augment, cache } = this.options;
    const sample = this.samples[index];
    const cached = cache.get(sample.image);
    const keep = !cached && cache.open;
    const { classes } = this.dataset;
    const task = { kind: 'load', sample, classes, index, seed, epoch, size, augment, cached, keep } as const;
    const over = this.overlay(index, epoch);
    const soft = this.softOf(index);
    const { decoded, ...loaded } = await this.pool.run({ ...task, soft, over, place });
    if (decoded) cache.add(sample.image, decoded);
    return loaded;
  }

  /** The sample of which a part is laid over this one in this epoch, if any. */
  private overlay(index: number, epoch: number): Over | undefined {
    const { augment, seed, cache } = this.options;
    const mix = augment && drawMix(augment, { seed, epoch, index }, this.samples.length);
    if (!mix) return undefined;
    const sample = this.samples[mix.partner];
    const soft = this.softOf(mix.partner);
    return { kind: mix.kind, seed: mix.seed, sample, soft, cached: cache.get(sample.image) };
  }

  private softOf(index: number): Soft | undefined {
    const { soft } = this.options;
    return soft && { file: soft.fileOf(index), share: soft.share };
  }
}

/** One batch of samples that came in memory of their own; `pixels`: of each. */
function assemble(parts: readonly Loaded[], pixels: number): Pick<Batch, 'images' | 'labels'> {
  const images = new Uint8Array(parts.length * pixels * 3);
  const labels = new Uint8Array(parts.length * pixels);
  for (const [i, { own }] of parts.entries()) {
    images.set(own!.image, i * pixels * 3);
    labels.set(own!.labels, i * pixels);
  }
  return { images, labels };
}
