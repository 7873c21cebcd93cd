import { promises as fs } from 'node:fs';
import path from 'node:path';
import * as v from 'valibot';
import { isFile, readBytes } from '../data/files.js';
import { UserError } from '../errors.js';
import { writeDurable } from '../model/durable.js';
import type { ModelInfo, Tensors } from '../model/format.js';
import { averagePrefix, decodeTensors, field, infoOf, metadataOf, withPrefix } from '../model/format.js';
import type { FloatTensor } from '../model/safetensors.js';
import { encodeSafetensors } from '../model/safetensors.js';

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const progressSchema = v.object({
  /** Epoch in progress, from 0. */
  epoch: whole,
  /** Batches of this epoch that are done; all of them: its validation is what comes next. */
  stepInEpoch: whole,
  /** Optimiser steps since the start. */
  step: whole,
  bestMiou: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  averageUpdates: whole,
  /** Of a float16 run. */
  lossScale: v.optional(v.object({ scale: v.pipe(v.number(), v.gtValue(0)), steps: whole })),
  /** Length of `metrics.jsonl` when this was saved; what follows belongs to steps that are done again. */
  metricsBytes: whole,
});

/** Where a training run stands. */
export type Progress = v.InferOutput<typeof progressSchema>;

/** Everything needed to go on as if a run had never stopped. */
export interface TrainingState {
  readonly info: ModelInfo;
  /** Parameters and running statistics by slot name. */
  readonly weights: Tensors;
  /** Averaged weights, where the run keeps them. */
  readonly average?: Tensors;
  /** Moments of the optimiser: `adam.m/stem.conv1.weight`. */
  readonly optimizer: Tensors;
  readonly progress: Progress;
  /** The options that determine the weights; a resumed run must have the same. */
  readonly recipe: Readonly<Record<string, unknown>>;
}

const optimizerPrefix = 'optimizer/';

/** Writes a training checkpoint; an existing `file` moves to `previous`. */
export async function writeTraining(file: string, state: TrainingState, previous?: string): Promise<void> {
  const prefixed = (prefix: string, tensors: Tensors): [string, FloatTensor][] =>
    [...tensors].map(([name, tensor]) => [prefix + name, tensor]);
  const tensors = new Map([
    ...state.weights,
    ...prefixed(averagePrefix, state.average ?? new Map()),
    ...prefixed(optimizerPrefix, state.optimizer),
  ]);
  const metadata = {
    ...metadataOf('training', state.info),
    progress: JSON.stringify(state.progress),
    recipe: JSON.stringify(state.recipe),
  };
  await writeDurable(file, encodeSafetensors(tensors, metadata), previous);
}

/** Reads a training checkpoint. @throws UserError as {@link readModel}, and where the file is only a model. */
export async function readTraining(file: string): Promise<TrainingState> {
  const { tensors, metadata } = decodeTensors(await readBytes(file), file);
  if (metadata.kind !== 'training') {
    throw new UserError(`${file}: is a model without training state; start a new run from it with \`init\``);
  }
  const average = withPrefix(tensors, averagePrefix);
  return {
    info: infoOf(metadata, file),
    weights: new Map([...tensors].filter(([name]) => !name.includes('/'))),
    average: average.size > 0 ? average : undefined,
    optimizer: withPrefix(tensors, optimizerPrefix),
    progress: field(metadata, 'progress', progressSchema, file),
    recipe: field(metadata, 'recipe', v.record(v.string(), v.unknown()), file),
  };
}

/** The checkpoint files of a run folder. */
export const runFiles = (folder: string) => ({
  last: path.join(folder, 'last.safetensors'),
  previous: path.join(folder, 'last.prev.safetensors'),
  damaged: path.join(folder, 'last.damaged.safetensors'),
  best: path.join(folder, 'best.safetensors'),
  metrics: path.join(folder, 'metrics.jsonl'),
  config: path.join(folder, 'config.json'),
});

/**
 * The newest readable training checkpoint of a run folder; a damaged `last` is set aside and the one before is
 * taken. `notice` says so.
 * @returns undefined where the folder has no checkpoint.
 * @throws UserError where both are damaged.
 */
export async function readLast(
  folder: string,
): Promise<{ state: TrainingState; file: string; notice?: string } | undefined> {
  const { last, previous, damaged } = runFiles(folder);
  const hasPrevious = isFile(previous);
  if (!isFile(last)) {
    if (!hasPrevious) return undefined;
    const notice = `${last}: is missing; going on from the checkpoint before it`;
    return { state: await readTraining(previous), file: previous, notice };
  }
  try {
    return { state: await readTraining(last), file: last };
  } catch (error) {
    if (!(error instanceof UserError) || !hasPrevious) throw error;
    const state = await readTraining(previous);
    // Out of the way, or the next save would move it over the good one.
    await fs.rename(last, damaged);
    const notice = `${error.message.replace(/;[^;]*$/, '')}; going on from the checkpoint before it, kept the damaged one as ${path.basename(damaged)}`;
    return { state, file: previous, notice };
  }
}
