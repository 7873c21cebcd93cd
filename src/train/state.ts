import * as v from 'valibot';
import type { KernelWays } from '../backends/backend.js';
import { UserError } from '../errors.js';
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
  /** The ways that its kernels go, on a device where they may go several. */
  readonly kernels?: KernelWays;
}

const kernelsSchema = v.pipe(
  v.array(v.strictTuple([v.pipe(v.string(), v.maxLength(20_000)), v.pipe(v.string(), v.maxLength(200))])),
  v.maxLength(50_000),
);

const optimizerPrefix = 'optimizer/';

/** The bytes of a training checkpoint. */
export function encodeTraining(state: TrainingState): Uint8Array {
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
    ...(state.kernels ? { kernels: JSON.stringify(state.kernels) } : {}),
  };
  return encodeSafetensors(tensors, metadata);
}

/**
 * The training checkpoint in a file's bytes.
 * @param file is what messages name.
 * @throws UserError as `decodeModel`, and where the file is only a model.
 */
export function decodeTraining(bytes: Uint8Array, file: string): TrainingState {
  const { tensors, metadata } = decodeTensors(bytes, file);
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
    ...('kernels' in metadata ? { kernels: field(metadata, 'kernels', kernelsSchema, file) } : {}),
  };
}
