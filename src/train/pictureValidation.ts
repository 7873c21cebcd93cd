import type { Backend } from '../backends/backend.js';
import type { LabelImage } from '../data/image.js';
import { ConfusionMatrix } from '../eval/confusion.js';
import { type Scores, scoresOf } from '../eval/iou.js';
import { predictLabels } from '../eval/predict.js';
import { Predictor } from '../eval/predictor.js';
import type { Tensors } from '../model/format.js';
import type { Network } from '../nets/network.js';
import { type ResolvedTrainConfig, validationResize } from './config.js';
import type { TrainEvent } from './events.js';
import type { LabelledPicture } from './labelledPicture.js';

interface Surroundings {
  readonly backend: Backend;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainEvent) => void;
  readonly onPrediction?: (picture: LabelledPicture, labels: LabelImage, epoch: number) => void;
}

/** Scores weights on pictures in memory; executors stay from one validation to the next. */
export class PictureValidation {
  private predictor: Predictor | undefined;

  constructor(
    private readonly pictures: readonly LabelledPicture[],
    private readonly network: Network,
    private readonly config: ResolvedTrainConfig,
    private readonly around: Surroundings,
  ) {}

  /** @throws what the signal says, where it aborts. */
  async run(weights: Tensors, epoch: number): Promise<Scores> {
    const { backend, signal, onEvent, onPrediction } = this.around;
    const { threads, precision } = this.config;
    const arrays = new Map([...weights].map(([name, { data }]) => [name, data]));
    if (this.predictor) await this.predictor.setWeights(arrays);
    else this.predictor = new Predictor(this.network, arrays, { backend, threads, precision, sizes: 1 });
    const confusion = new ConfusionMatrix(this.network.classes);
    const resize = validationResize(this.config);
    for (const [i, picture] of this.pictures.entries()) {
      signal?.throwIfAborted();
      const labels = await predictLabels(this.predictor, picture.image, { resize });
      confusion.add(picture.labels.data, labels.data);
      onPrediction?.(picture, labels, epoch);
      onEvent?.({ type: 'validating', epoch, done: i + 1, total: this.pictures.length });
    }
    return scoresOf(confusion);
  }

  async close(): Promise<void> {
    await this.predictor?.dispose();
  }
}
