import path from 'node:path';
import * as v from 'valibot';
import { isFile, readBytes, writeAtomic } from '../data/files.js';
import type { Part } from '../data/holdOut.js';
import { UserError } from '../errors.js';
import { runFiles } from './checkpoint.js';
import type { TrainConfig } from './config.js';
import { readMetrics } from './metrics.js';
import { type TrainOptions, train } from './train.js';

const score = v.nullable(v.pipe(v.number(), v.finite()));
const count = v.pipe(v.number(), v.safeInteger());

const resultSchema = v.object({
  part: v.string(),
  images: count,
  epochs: count,
  steps: count,
  /** Of the last weights on what was held out. */
  miou: score,
  pixelAccuracy: score,
  classIou: v.array(score),
  /** Time of training, without validation and pauses. */
  seconds: v.pipe(v.number(), v.finite()),
});

/** What one training without a part of the data reached on that part. */
export type LeftOutResult = v.InferOutput<typeof resultSchema>;

/**
 * Trains without a part of the data and scores the last weights on it; choosing the best by validation would flatter.
 * Goes on where it was stopped, and a finished training is not done again.
 * @param out folder of the run and of its `result.json`.
 * @returns undefined where it was interrupted (and saved).
 */
export async function trainWithout(
  part: Part,
  out: string,
  config: Omit<TrainConfig, 'out' | 'holdOut' | 'resume'>,
  how: Pick<TrainOptions, 'device' | 'signal' | 'onEvent'>,
): Promise<LeftOutResult | undefined> {
  const file = path.join(out, 'result.json');
  if (isFile(file)) return readResult(file);
  const { last, previous, metrics } = runFiles(out);
  const { epochs = 300 } = config;
  const { interrupted, step } = await train({
    ...config,
    ...how,
    out,
    holdOut: part.holdOut,
    resume: isFile(last) || isFile(previous),
    validateEvery: epochs,
    samples: 0,
  });
  if (interrupted) return undefined;
  const lines = await readMetrics(metrics);
  const validation = lines.findLast((line) => line.type === 'validation');
  if (!validation) throw new UserError(`${metrics}: has no validation; remove the folder and try again`);
  const { miou, pixelAccuracy, classIou } = validation;
  const result: LeftOutResult = {
    ...{ part: part.name, images: part.images, epochs, steps: step, miou, pixelAccuracy },
    classIou: [...classIou],
    seconds: trainingSeconds(lines, config.batch ?? 4),
  };
  await writeAtomic(file, Buffer.from(`${JSON.stringify(result, null, 2)}\n`));
  return result;
}

/** The mean over parts and the lowest; null where a part has no score. */
export function meanAndWorst(results: readonly Pick<LeftOutResult, 'miou'>[]): {
  mean: number | null;
  worst: number | null;
} {
  const scores = results.map(({ miou }) => miou).filter((miou) => miou !== null);
  if (scores.length < results.length || scores.length === 0) return { mean: null, worst: null };
  return { mean: scores.reduce((a, b) => a + b, 0) / scores.length, worst: Math.min(...scores) };
}

async function readResult(file: string): Promise<LeftOutResult> {
  try {
    return v.parse(resultSchema, JSON.parse((await readBytes(file)).toString('utf8')));
  } catch {
    throw new UserError(`${file}: is no result of a training; delete it, and it is made again`);
  }
}

/** Every line of metrics tells the rate of the steps since the one before. */
function trainingSeconds(lines: Awaited<ReturnType<typeof readMetrics>>, batch: number): number {
  let seconds = 0;
  let before = 0;
  for (const line of lines) {
    if (line.type !== 'step') continue;
    seconds += ((line.step - before) * batch) / line.imagesPerSecond;
    before = line.step;
  }
  return seconds;
}
