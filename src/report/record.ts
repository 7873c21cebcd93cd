import path from 'node:path';
import * as v from 'valibot';
import { isFile, isFolder, readBytes, reason } from '../data/files.js';
import { UserError } from '../errors.js';
import { readModel } from '../model/file.js';
import type { ModelInfo } from '../model/format.js';
import { runFiles } from '../train/checkpoint.js';
import type { ResolvedTrainConfig } from '../train/config.js';
import { parseTrainConfig } from '../train/config.js';
import type { StepMetrics, ValidationMetrics } from '../train/metrics.js';
import { readMetrics } from '../train/metrics.js';
import type { LossPoint, ScorePoint } from './data.js';

/** What a run folder tells about its run. */
export interface RunRecord {
  readonly folder: string;
  readonly config: ResolvedTrainConfig;
  readonly steps: readonly StepMetrics[];
  readonly validations: readonly ValidationMetrics[];
  /** Of the best model, or the last checkpoint. */
  readonly info: ModelInfo;
  /** The images of the last validation with their own mIoU; empty before the first. */
  readonly images: readonly { readonly id: string; readonly miou?: number }[];
}

const imagesSchema = v.object({
  images: v.array(v.object({ id: v.string(), image: v.string(), miou: v.optional(v.number()) })),
});

/**
 * Reads a run folder as `vnet train` writes it, finished or not.
 * @throws UserError naming the file that is missing or damaged.
 */
export async function readRun(folder: string): Promise<RunRecord> {
  if (!isFolder(folder)) throw new UserError(`${folder}: no such run folder`);
  const { config: configFile, metrics: metricsFile, best, last } = runFiles(folder);
  if (!isFile(configFile)) {
    throw new UserError(`${folder}: holds no config.json, so it is no run folder of vnet train`);
  }
  const config = parseTrainConfig(await readJson(configFile), configFile);
  const metrics = isFile(metricsFile) ? await readMetrics(metricsFile) : [];
  const { info } = await readModel(isFile(best) ? best : last);
  const validation = path.join(folder, 'validation.json');
  const images = isFile(validation) ? v.safeParse(imagesSchema, await readJson(validation)) : undefined;
  if (images && !images.success) throw new UserError(`${validation}: is no validation file; delete it`);
  return {
    folder,
    config,
    steps: metrics.filter((line) => line.type === 'step'),
    validations: metrics.filter((line) => line.type === 'validation'),
    info,
    images: images?.output.images ?? [],
  };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse((await readBytes(file)).toString('utf8'));
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(`${file}: is not valid JSON (${reason(error)})`);
  }
}

/** Optimiser steps of an epoch, as far as the metrics show; 0 where there are none yet. */
function stepsPerEpoch({ steps, validations }: RunRecord): number {
  const last = validations[validations.length - 1] ?? steps[steps.length - 1];
  return last ? last.step / (last.epoch + 1) : 0;
}

export function lossCurve(run: RunRecord): LossPoint[] {
  const perEpoch = stepsPerEpoch(run);
  return run.steps.map(({ step, loss }) => ({ epoch: step / perEpoch, loss }));
}

export const scoreCurve = ({ validations }: RunRecord): ScorePoint[] =>
  validations.flatMap(({ epoch, miou }) => (miou === null ? [] : [{ epoch: epoch + 1, miou }]));

/** The validation with the highest mIoU. */
export const bestValidation = ({ validations }: RunRecord): ValidationMetrics | undefined =>
  validations.reduce<ValidationMetrics | undefined>(
    (best, each) => (each.miou !== null && each.miou > (best?.miou ?? -1) ? each : best),
    undefined,
  );

/** Speed and time of a run from its metrics; every line stands for the steps since the line before. */
export function timesOf({ config, steps, validations }: RunRecord) {
  const images = config.batch * config.accumulate;
  let before = 0;
  const spans = steps.map(({ step, imagesPerSecond, dataWait }) => {
    const count = step - before;
    before = step;
    return { seconds: (count * images) / imagesPerSecond, perStep: images / imagesPerSecond, dataWait };
  });
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  const training = sum(spans.map(({ seconds }) => seconds));
  const sorted = spans.map(({ perStep }) => perStep).sort((a, b) => a - b);
  return {
    trainingSeconds: training,
    validationSeconds: sum(validations.map(({ seconds }) => seconds)),
    medianStepSeconds: sorted[sorted.length >> 1],
    imagesPerSecond: training > 0 ? (before * images) / training : 0,
    dataWait: training > 0 ? sum(spans.map(({ seconds, dataWait }) => seconds * dataWait)) / training : 0,
  };
}
