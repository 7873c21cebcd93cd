import { UserError } from '../errors.js';
import { type Augmentation, checkAugmentation, type SizePolicy } from './augment.js';
import type { Dataset, Sample } from './dataset.js';
import { Pool } from './pool.js';
import { Rng } from './rng.js';
import type { Decoded, Loaded } from './tasks.js';

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
  /** Memory for decoded samples, in bytes, kept between epochs. Default 0. */
  cacheBytes?: number;
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
 * so a run that starts again at any step gets the same batches, with any number of workers. Threads and cache
 * live until {@link close}.
 */
export class Loader {
  /** Milliseconds the consumer has waited for batches so far. */
  waitMs = 0;
  /** Bytes of decoded samples held now. */
  cachedBytes = 0;
  readonly samples: readonly Sample[];
  /** Batches an epoch. */
  readonly steps: number;

  private readonly options: Required<Omit<LoaderOptions, 'augment' | 'workers'>> &
    Pick<LoaderOptions, 'augment'>;
  private readonly pool: Pool;
  private readonly cache = new Map<number, Decoded>();

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
      dropLast: options.dropLast ?? shuffle,
      ahead: options.ahead ?? 2,
      cacheBytes: options.cacheBytes ?? 0,
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
    const order = [...this.samples.keys()];
    return this.options.shuffle ? Rng.of(0x6f7264, this.options.seed, epoch).shuffle(order) : order;
  }

  /**
   * The batches of an epoch from `startStep` on.
   * @throws UserError for a file that cannot be used, or images of different sizes in a batch.
   */
  async *batches(epoch: number, startStep = 0): AsyncGenerator<Batch, void, void> {
    const { batch, ahead } = this.options;
    const order = this.order(epoch);
    const queue: { indices: number[]; parts: Promise<Loaded[]> }[] = [];
    let step = startStep;
    const refill = () => {
      while (step < this.steps && queue.length <= ahead) {
        const indices = order.slice(step * batch, (step + 1) * batch);
        const parts = Promise.all(indices.map((index) => this.load(index, epoch)));
        // A failure is reported when its batch is due; until then it must not count as unhandled.
        parts.catch(() => undefined);
        queue.push({ indices, parts });
        step++;
      }
    };
    refill();
    for (let next = queue.shift(); next; next = queue.shift()) {
      const start = performance.now();
      const parts = await next.parts;
      this.waitMs += performance.now() - start;
      refill();
      yield this.assemble(next.indices, parts);
    }
  }

  /** Ends the threads and frees the cache. */
  async close(): Promise<void> {
    this.cache.clear();
    this.cachedBytes = 0;
    await this.pool.close();
  }

  private async load(index: number, epoch: number): Promise<Loaded> {
    const { seed, size, augment, cacheBytes } = this.options;
    const cached = this.cache.get(index);
    const loaded = await this.pool.run({
      kind: 'load',
      sample: this.samples[index],
      classes: this.dataset.classes,
      index,
      seed,
      epoch,
      size,
      augment,
      cached,
      keep: !cached && this.cachedBytes < cacheBytes,
    });
    const { decoded } = loaded;
    if (decoded && !this.cache.has(index)) {
      const bytes = decoded.image.byteLength + decoded.labels.byteLength;
      // First come, first kept: with a random order, evicting would only swap equals.
      if (this.cachedBytes + bytes <= cacheBytes) {
        this.cache.set(index, decoded);
        this.cachedBytes += bytes;
      }
    }
    return loaded;
  }

  private assemble(indices: number[], parts: Loaded[]): Batch {
    const [{ width, height }] = parts;
    const odd = parts.findIndex((part) => part.width !== width || part.height !== height);
    if (odd >= 0) {
      throw new UserError(
        `${this.samples[indices[odd]].image}: is ${parts[odd].height}×${parts[odd].width} but ` +
          `${this.samples[indices[0]].image} in the same batch is ${height}×${width}; choose a crop or resize size, or batch 1`,
      );
    }
    const ids = indices.map((index) => this.samples[index].id);
    if (parts.length === 1) return { images: parts[0].image, labels: parts[0].labels, ids, height, width };
    const images = new Uint8Array(parts.length * height * width * 3);
    const labels = new Uint8Array(parts.length * height * width);
    parts.forEach((part, i) => {
      images.set(part.image, i * height * width * 3);
      labels.set(part.labels, i * height * width);
    });
    return { images, labels, ids, height, width };
  }
}
