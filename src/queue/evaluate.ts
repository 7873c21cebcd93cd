import type { Dataset } from '../data/dataset.js';
import { fingerprint } from '../data/fingerprint.js';
import { UserError } from '../errors.js';
import { ConfusionMatrix } from '../eval/confusion.js';
import type { Evaluation, SampleScores } from '../eval/evaluate.js';
import { EvaluationSum } from '../eval/evaluate.js';
import type { SampleJob, SampleResult, SampleSetup } from './contract.js';
import { sampleResult } from './contract.js';
import { QueueMap } from './map.js';
import { digestOf } from './work/model.js';

export interface QueueEvaluation {
  readonly url: string;
  /** The file of the model. */
  readonly model: Buffer;
  readonly dataset: Dataset;
  readonly split: string;
  readonly setup: Pick<SampleSetup, 'backend' | 'precision' | 'view'>;
  /** Images a job; default 8. */
  readonly chunk?: number;
  /** Told what a person should know. */
  readonly tell: (message: string) => void;
  /** Aborting ends it, by the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each image, in their order, with its own mIoU. */
  readonly onImage?: (miou: number | undefined, done: number, total: number) => void;
}

/**
 * Evaluates a split by workers behind a queue. Counts of pixels add, and fractions are added in the order of the images:
 * the result is that of one process, to the last bit.
 * @throws UserError: no Redis, or a file that cannot be used.
 */
export async function evaluateByQueue(options: QueueEvaluation): Promise<Evaluation> {
  const { url, model, dataset, split, setup, chunk = 8, tell, signal, onImage } = options;
  const samples = dataset.samples(split);
  const sum = new EvaluationSum(dataset, split, {});
  const whole = { ...setup, split, fingerprint: await fingerprint(dataset, split), model: digestOf(model) };
  const map = await QueueMap.open<SampleJob, SampleResult>(
    url,
    {
      ...{ kind: 'samples', setup: whole, model, count: samples.length, chunk, result: sampleResult },
      job: (run, first, count) => ({ run, first, count }),
    },
    tell,
  );
  const early = new Map<number, SampleScores>();
  let added = 0;
  try {
    for await (const result of map.results(signal)) {
      if (result.error !== undefined) throw new UserError(result.error);
      early.set(result.index, scoresOf(result, dataset, sum.instanceValues));
      for (let scores = early.get(added); scores; scores = early.get(added)) {
        early.delete(added++);
        onImage?.(sum.add(scores), added, samples.length);
      }
    }
  } finally {
    await map.close();
  }
  signal?.throwIfAborted();
  return sum.finish();
}

function scoresOf(
  { index, confusion, instances, ms = 0 }: SampleResult,
  dataset: Dataset,
  instanceValues: number,
): SampleScores {
  const classes = dataset.classes.names.length;
  if (confusion?.length !== classes * classes + classes + 1 || (instances?.length ?? 0) !== instanceValues)
    throw new UserError(`the result of image ${index + 1} that came from the queue is not of this data set`);
  return { confusion: ConfusionMatrix.of(classes, confusion), instances, ms };
}
