import type { LabelImage, RgbImage } from '../data/image.js';
import type { Network } from '../nets/network.js';
import type { CoarseLogits, PredictorOptions } from './predictor.js';
import { Predictor } from './predictor.js';

/** Each has an arena. */
const mostLanes = 8;

/** Predictors side by side for so many threads: as many as there are threads, but few. */
export const lanesFor = (threads: number): number => Math.max(1, Math.min(threads, mostLanes));

/**
 * Predictors side by side, which share the threads: an image goes to one that is free. On CPU cores that gives more images a
 * second than all threads on one image, where they wait for each other in narrow layers and at its end; each image takes
 * longer. Labels are the same. Where memory is short there are fewer, with more threads each.
 */
export class Lanes implements Pick<Predictor, 'labels' | 'logits'> {
  private free: Predictor[] | undefined;
  private readonly all: Predictor[] = [];
  private readonly waiting: ((predictor: Predictor) => void)[] = [];

  /** @param most of them; `options.threads` are those of all together. */
  constructor(
    private readonly network: Network,
    private readonly weights: ReadonlyMap<string, Float32Array>,
    private readonly options: PredictorOptions & { readonly threads: number },
    readonly most = lanesFor(options.threads),
  ) {}

  labels(image: RgbImage): Promise<LabelImage> {
    return this.onFree(image, (predictor) => predictor.labels(image));
  }

  logits(image: RgbImage): Promise<CoarseLogits> {
    return this.onFree(image, (predictor) => predictor.logits(image));
  }

  async dispose(): Promise<void> {
    await Promise.all(this.all.map((predictor) => predictor.dispose()));
  }

  private async onFree<T>(image: RgbImage, work: (predictor: Predictor) => Promise<T>): Promise<T> {
    this.free ??= this.open(image);
    const predictor =
      this.free.pop() ?? (await new Promise<Predictor>((resolve) => this.waiting.push(resolve)));
    try {
      return await work(predictor);
    } finally {
      const next = this.waiting.shift();
      if (next) next(predictor);
      else this.free.push(predictor);
    }
  }

  /** As many as fit into half of the memory that is left, by the size of the first image. */
  private open(image: RgbImage): Predictor[] {
    const { network, weights, options } = this;
    const { threads, backend } = options;
    const first = new Predictor(network, weights, options);
    const fitting = Math.floor(backend.usableBytes() / (2 * first.plan(image).arenaBytes));
    const count = Math.max(1, Math.min(this.most, fitting));
    for (let i = 0; i < count; i++) {
      const share = Math.floor(((i + 1) * threads) / count) - Math.floor((i * threads) / count);
      this.all.push(new Predictor(network, weights, { ...options, threads: share }));
    }
    return [...this.all];
  }
}
