import PQueue from 'p-queue';
import { compileInference } from '../compile.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { predictLabels } from '../eval/predict.js';
import { Predictor } from '../eval/predictor.js';
import type { Ffmpeg } from '../stream/ffmpeg.js';
import type { FeedOptions } from '../stream/options.js';
import type { SegmentedFrame } from '../stream/segment.js';
import { segmentStream } from '../stream/segment.js';
import type { StreamSource } from '../stream/source.js';
import type { Metrics } from './metrics.js';
import { Problem } from './problem.js';
import type { ServedModel } from './repository.js';
import type { ServerSettings } from './settings.js';

export interface PixelSize {
  readonly height: number;
  readonly width: number;
}

/** Labels with what they took. */
export interface Segmented {
  /** Of the picture's own size. */
  readonly labels: LabelImage;
  readonly queueMs: number;
  readonly inferMs: number;
}

/** A video or camera to segment. */
export interface VideoWork {
  readonly ffmpeg: Ffmpeg;
  readonly source: StreamSource;
  /** What the network sees of a frame. */
  readonly seenAs: (frame: PixelSize) => PixelSize;
}

/**
 * Pictures that may be decoded in memory at a time: enough that the next is decoded and the last encoded while one is
 * computed, few enough that waiting pictures cost no more than the bytes that were sent.
 */
const slots = 4;

/** One model at one size, ready to run. */
interface Arena {
  readonly predictor: Predictor;
  readonly bytes: number;
}

/**
 * Runs models on pictures, one at a time on all cores, in order of arrival. Arenas of the models and sizes used last are
 * kept as long as they fit the memory budget, which their plans tell before anything is allocated.
 */
export class Segmenting {
  private readonly turns = new PQueue({ concurrency: 1 });
  private readonly slots = new PQueue({ concurrency: slots });
  /** Insertion order is order of use: the first is the one to go. */
  private readonly arenas = new Map<string, Arena>();
  /** Milliseconds of the pictures before, for telling when to come again. */
  private typicalMs = 100;

  constructor(
    private readonly settings: Pick<ServerSettings, 'backend' | 'threads' | 'precision' | 'limits'>,
    private readonly metrics: Metrics,
  ) {}

  /** Pictures that wait or run. */
  get waiting(): number {
    return this.slots.size + this.slots.pending;
  }

  /** Bytes of all arenas. */
  get arenaBytes(): number {
    return [...this.arenas.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** Whole seconds until the pictures that wait now should be done. */
  get retryAfter(): number {
    return Math.max(1, Math.ceil((this.waiting * this.typicalMs) / 1000));
  }

  /** @throws Problem 429 where `pictures` more would be too many. */
  checkRoom(pictures = 1): void {
    const { waiting } = this.settings.limits;
    if (this.waiting + pictures <= waiting) return;
    throw new Problem(
      429,
      `${this.waiting} pictures are waiting and ${waiting} may; try again later`,
      this.retryAfter,
    );
  }

  /**
   * Waits for one of few places and does the work there: decoding a picture, {@link run}, encoding the answer.
   * @param signal gives up while it still waits.
   * @throws Problem 429 with too many waiting, 503 when the signal aborted first.
   */
  async inSlot<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
    this.checkRoom();
    return (await this.slots.add(work, { signal }).catch((error: unknown) => {
      throw this.explained(error, signal);
    })) as T;
  }

  /**
   * The class of each pixel, at the picture's own size.
   * @param size what the network sees; the picture is resized to it and the labels back.
   * @param signal gives up while it still waits.
   * @throws Problem 422 where the size needs more memory than the budget, 503 when the signal aborted first.
   */
  async run(model: ServedModel, image: RgbImage, size: PixelSize, signal?: AbortSignal): Promise<Segmented> {
    const asked = performance.now();
    try {
      return (await this.turns.add(
        async () => {
          const start = performance.now();
          const arena = await this.arena(model, size);
          const own = size.height === image.height && size.width === image.width;
          const resize = own ? undefined : ([size.height, size.width] as const);
          const labels = await predictLabels(arena.predictor, image, { resize });
          const inferMs = performance.now() - start;
          this.typicalMs += 0.1 * (inferMs - this.typicalMs);
          const queueMs = start - asked;
          this.metrics.stage('queue', queueMs);
          this.metrics.stage('infer', inferMs);
          this.metrics.frame(model);
          return { labels, queueMs, inferMs };
        },
        { signal },
      )) as Segmented;
    } catch (error) {
      throw signal ? this.explained(error, signal) : error;
    }
  }

  /**
   * Frames of a video or camera with their labels: each waits for its turn among all pictures.
   * @throws UserError where it cannot be read, Problem as {@link run} does.
   */
  frames(
    model: ServedModel,
    { ffmpeg, source, seenAs }: VideoWork,
    options: FeedOptions & { readonly signal: AbortSignal },
  ): AsyncGenerator<SegmentedFrame, void> {
    // The queue would keep a listener on the signal for each frame; a frame in its turn ends soon enough.
    const labels = async (image: RgbImage): Promise<LabelImage> =>
      (await this.run(model, image, seenAs(image))).labels;
    const logits = () => Promise.reject(new Error('frames have labels only'));
    return segmentStream({ labels, logits }, ffmpeg, source, options);
  }

  private explained(error: unknown, signal: AbortSignal): unknown {
    if (!signal.aborted || error instanceof Problem) return error;
    return new Problem(503, 'the time limit was over before the picture had its turn', this.retryAfter);
  }

  /** Ends what waits no more: resolves when all pictures are done. */
  async idle(): Promise<void> {
    await this.slots.onIdle();
    await this.turns.onIdle();
  }

  async dispose(): Promise<void> {
    await this.idle();
    for (const [key] of this.arenas) await this.drop(key);
  }

  private async arena(model: ServedModel, { height, width }: PixelSize): Promise<Arena> {
    const key = `${model.key} ${height}×${width}`;
    const known = this.arenas.get(key);
    if (known) {
      this.arenas.delete(key);
      this.arenas.set(key, known);
      return known;
    }
    const { backend, threads, precision, limits } = this.settings;
    const { arenaBytes } = compileInference(model.network, {
      batch: 1,
      height,
      width,
      precision,
      consumesImages: true,
      scratchBytes: backend.scratchBytes,
    });
    if (arenaBytes > limits.memory) {
      const mebibytes = (bytes: number) => Math.ceil(bytes / 2 ** 20);
      throw new Problem(
        422,
        `${height}×${width} pixels need ${mebibytes(arenaBytes)} MiB and this server has ${mebibytes(limits.memory)}; send a smaller picture`,
      );
    }
    await this.forgetOlder(model);
    for (const [oldest] of this.arenas) {
      if (this.arenaBytes + arenaBytes <= limits.memory) break;
      await this.drop(oldest);
    }
    const predictor = new Predictor(model.network, model.weights, { backend, threads, precision, sizes: 1 });
    const arena = { predictor, bytes: arenaBytes };
    this.arenas.set(key, arena);
    return arena;
  }

  /** Arenas of older states of the model's file. */
  private async forgetOlder({ name, version, key }: ServedModel): Promise<void> {
    for (const other of this.arenas.keys()) {
      if (other.startsWith(`${name}/${version} `) && !other.startsWith(`${key} `)) await this.drop(other);
    }
  }

  private async drop(key: string): Promise<void> {
    const arena = this.arenas.get(key);
    this.arenas.delete(key);
    await arena?.predictor.dispose();
  }
}
