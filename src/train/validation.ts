import path from 'node:path';
import type { Backend } from '../backends/backend.js';
import { compileInference } from '../compile.js';
import type { SampleCache } from '../data/cache.js';
import type { Dataset } from '../data/dataset.js';
import { writeAtomic } from '../data/files.js';
import { encodeJpeg, overlay, readImageSize } from '../data/image.js';
import { Loader } from '../data/loader.js';
import { UserError } from '../errors.js';
import type { EvaluatedImage } from '../eval/evaluate.js';
import { evaluate } from '../eval/evaluate.js';
import type { Scores } from '../eval/iou.js';
import { Predictor } from '../eval/predictor.js';
import type { Tensors } from '../model/format.js';
import type { Network } from '../nets/index.js';
import { type ResolvedTrainConfig, validationResize } from './config.js';
import type { TrainEvent } from './events.js';

interface Surroundings {
  readonly backend: Backend;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainEvent) => void;
  readonly cache: SampleCache;
}

/** What `validation.json` of a run holds: the last validation, image by image. */
export interface ValidationFile {
  readonly epoch: number;
  readonly step: number;
  readonly scores: Scores;
  /** Pixels by true class (row) and predicted class (column). */
  readonly confusion: readonly (readonly number[])[];
  readonly images: readonly { readonly id: string; readonly image: string; readonly miou?: number }[];
}

/** Images whose size is looked at before a run begins. */
const looked = 64;

/** The validations of one run: the loader and the executors stay from one to the next. */
export class Validation {
  private predictor: Predictor | undefined;

  private constructor(
    private readonly loader: Loader,
    private readonly dataset: Dataset,
    private readonly network: Network,
    private readonly config: ResolvedTrainConfig,
    private readonly around: Surroundings,
  ) {}

  /** `undefined` where the run has none: not asked for, or no such split in the data set. */
  static async open(
    dataset: Dataset,
    network: Network,
    config: ResolvedTrainConfig,
    around: Surroundings,
  ): Promise<Validation | undefined> {
    if (config.validateEvery === 0) return undefined;
    const { valSplit } = config;
    if (!dataset.splits.includes(valSplit)) return undefined;
    if (!(await dataset.hasLabels(valSplit))) {
      throw new UserError(
        `${dataset.root}: split '${valSplit}' has no labels to validate on; choose another, or \`validateEvery: 0\``,
      );
    }
    const loader = new Loader(dataset, valSplit, { workers: 1, cache: around.cache });
    return new Validation(loader, dataset, network, config, around);
  }

  /** How many there are. */
  get images(): number {
    return this.loader.samples.length;
  }

  /**
   * Bytes of the plan that the largest images need, by the headers of some spread over the split: what a validation
   * takes besides the training step. Each image is checked again before it is predicted.
   */
  async arenaBytes(): Promise<number> {
    const { size, precision } = this.config;
    const { scratchBytes } = this.around.backend;
    const { samples } = this.loader;
    const stride = Math.ceil(samples.length / looked);
    let largest = { height: 0, width: 0 };
    for (let i = 0; i < samples.length; i += stride) {
      const found = await readImageSize(samples[i].image);
      if (found.height * found.width > largest.height * largest.width) largest = found;
    }
    const { height, width } = largest;
    const [high, wide] = size !== 'full' && 'resize' in size ? size.resize : [height, width];
    const shape = { batch: 1, height: Math.max(32, high), width: Math.max(32, wide) };
    return compileInference(this.network, { ...shape, precision, scratchBytes }).arenaBytes;
  }

  /** Scores the weights, and writes `validation.json` and the overlays of the first images. */
  async run(weights: Tensors, at: { epoch: number; step: number }): Promise<Scores> {
    const { backend, signal, onEvent } = this.around;
    const { threads, precision, valSplit, samples, out } = this.config;
    const arrays = new Map([...weights].map(([name, { data }]) => [name, data]));
    if (this.predictor) await this.predictor.setWeights(arrays);
    else this.predictor = new Predictor(this.network, arrays, { backend, threads, precision, sizes: 1 });
    const images: ValidationFile['images'][number][] = [];
    const { scores, confusion } = await evaluate(this.predictor, this.dataset, {
      split: valSplit,
      loader: this.loader,
      signal,
      instances: false,
      // Scored at the labels' own size in any case.
      resize: validationResize(this.config),
      onImage: async (image, done, total) => {
        images.push({ id: image.sample.id, image: image.sample.image, miou: image.miou });
        if (done <= samples) await this.writeSample(image, at.epoch);
        onEvent?.({ type: 'validating', epoch: at.epoch, done, total });
      },
    });
    const file: ValidationFile = { ...at, scores, confusion: confusion.toRows(), images };
    await writeAtomic(path.join(out, 'validation.json'), Buffer.from(JSON.stringify(file)));
    return scores;
  }

  async close(): Promise<void> {
    await this.loader.close();
    await this.predictor?.dispose();
  }

  private async writeSample({ sample, image, prediction }: EvaluatedImage, epoch: number): Promise<void> {
    const jpeg = await encodeJpeg(overlay(image, prediction, this.dataset.classes.colours), 85);
    const name = `epoch-${String(epoch + 1).padStart(4, '0')}-${path.basename(sample.id)}.jpg`;
    await writeAtomic(path.join(this.config.out, 'samples', name), jpeg);
  }
}
