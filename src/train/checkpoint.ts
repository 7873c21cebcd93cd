import { promises as fs } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import type { ClassTable } from '../data/classes.js';
import { isFile, readBytes } from '../data/files.js';
import { UserError } from '../errors.js';
import { imageNorm } from '../nets/normalization.js';
import { writeDurable } from './durable.js';
import type { FloatStorage, FloatTensor, StoredTensor } from './safetensors.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

const format = 'vnet-segmentation';
/** Raised when files of older versions can no longer be read. */
const version = '1';

const byte = z.number().int().min(0).max(255);
const networkSchema = z.object({ name: z.string(), config: z.record(z.string(), z.unknown()) });
const classesSchema = z.object({
  /** The data set's name. */
  name: z.string(),
  names: z.array(z.string()).min(1).max(255),
  colours: z.array(z.tuple([byte, byte, byte])),
  /** Train id → value in label files of the data set. */
  toRaw: z.array(byte),
});
const normalizationSchema = z.object({ mean: z.array(z.number()), std: z.array(z.number()) });
const score = z.number().min(0).max(1);
const trainedSchema = z.object({
  epoch: z.number().int().min(0),
  step: z.number().int().min(0),
  /** Of the validation split, where it has been computed. */
  miou: score.optional(),
});
const progressSchema = z.object({
  /** Epoch in progress, from 0. */
  epoch: z.number().int().min(0),
  /** Batches of this epoch that are done; all of them: its validation is what comes next. */
  stepInEpoch: z.number().int().min(0),
  /** Optimiser steps since the start. */
  step: z.number().int().min(0),
  bestMiou: score.optional(),
  averageUpdates: z.number().int().min(0),
  /** Of a float16 run. */
  lossScale: z.object({ scale: z.number().positive(), steps: z.number().int().min(0) }).optional(),
  /** Length of `metrics.jsonl` when this was saved; what follows belongs to steps that are done again. */
  metricsBytes: z.number().int().min(0),
});

/** What is known about a model besides its weights. */
export interface ModelInfo {
  readonly network: z.infer<typeof networkSchema>;
  readonly classes: z.infer<typeof classesSchema>;
  readonly trained: z.infer<typeof trainedSchema>;
}

/** Where a training run stands. */
export type Progress = z.infer<typeof progressSchema>;

export type Tensors = ReadonlyMap<string, FloatTensor>;

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

/** A model as read from a file. */
export interface ModelFile {
  readonly info: ModelInfo;
  readonly weights: ReadonlyMap<string, StoredTensor>;
}

/** The part of a class table that a model keeps. */
export const classesOf = ({ name, names, colours, toRaw }: ClassTable): ModelInfo['classes'] => ({
  name,
  names: [...names],
  colours: colours.map(([r, g, b]) => [r, g, b]),
  toRaw: [...toRaw],
});

const averagePrefix = 'average/';
const optimizerPrefix = 'optimizer/';

/**
 * Writes a model: weights and running statistics under their slot names, metadata as JSON strings.
 * @param storage F16 halves the file; values are rounded to 11 bits.
 */
export async function writeModel(
  file: string,
  info: ModelInfo,
  weights: Tensors,
  storage: FloatStorage = 'F32',
): Promise<void> {
  const stored = new Map([...weights].map(([name, tensor]) => [name, { ...tensor, storage }]));
  await writeDurable(file, encodeSafetensors(stored, metadataOf('model', info)));
}

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

/**
 * Reads a model, or the model inside a training checkpoint (the averaged weights where it has them).
 * @throws UserError, one line naming the file: missing, truncated, damaged, or no file of this program.
 */
export async function readModel(file: string): Promise<ModelFile> {
  const { tensors, metadata } = await read(file);
  const averaged = withPrefix(tensors, averagePrefix);
  const plain = new Map([...tensors].filter(([name]) => !name.includes('/')));
  return { info: infoOf(metadata, file), weights: averaged.size > 0 ? averaged : plain };
}

/** Reads a training checkpoint. @throws UserError as {@link readModel}, and where the file is only a model. */
export async function readTraining(file: string): Promise<TrainingState> {
  const { tensors, metadata } = await read(file);
  if (metadata.kind !== 'training') {
    throw new UserError(`${file}: is a model without training state; start a new run from it with --init`);
  }
  const average = withPrefix(tensors, averagePrefix);
  return {
    info: infoOf(metadata, file),
    weights: new Map([...tensors].filter(([name]) => !name.includes('/'))),
    average: average.size > 0 ? average : undefined,
    optimizer: withPrefix(tensors, optimizerPrefix),
    progress: field(metadata, 'progress', progressSchema, file),
    recipe: field(metadata, 'recipe', z.record(z.string(), z.unknown()), file),
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

function metadataOf(kind: 'model' | 'training', info: ModelInfo): Record<string, string> {
  return {
    format,
    version,
    kind,
    network: JSON.stringify(info.network),
    classes: JSON.stringify(info.classes),
    normalization: JSON.stringify(normalizationOf(info.network)),
    trained: JSON.stringify(info.trained),
  };
}

async function read(file: string) {
  const decoded = decodeSafetensors(await readBytes(file), file);
  const { metadata, verified } = decoded;
  if (metadata.format !== format) {
    throw new UserError(
      `${file}: is a safetensors file of another program; expected a model written by vnet train`,
    );
  }
  if (metadata.version !== version) {
    throw new UserError(
      `${file}: has format version ${metadata.version}, this program reads ${version}; update it, or train again`,
    );
  }
  if (!verified) throw new UserError(`${file}: lacks its content hash; it was changed, use another copy`);
  return decoded;
}

/** What the network normalises its images with: its own configuration says so, or it is ImageNet's. */
const normalizationOf = ({ config }: ModelInfo['network']): unknown => config.normalization ?? imageNorm;

function infoOf(metadata: Readonly<Record<string, string>>, file: string): ModelInfo {
  const normalization = field(metadata, 'normalization', normalizationSchema, file);
  const network = field(metadata, 'network', networkSchema, file);
  const wanted = JSON.stringify(normalizationOf(network));
  if (JSON.stringify(normalization) !== wanted) {
    throw new UserError(
      `${file}: was trained with another image normalisation than its network has (${wanted}); use another copy`,
    );
  }
  return {
    network,
    classes: field(metadata, 'classes', classesSchema, file),
    trained: field(metadata, 'trained', trainedSchema, file),
  };
}

function field<T>(
  metadata: Readonly<Record<string, string>>,
  key: string,
  schema: z.ZodType<T>,
  file: string,
): T {
  let json: unknown;
  try {
    json = JSON.parse(metadata[key] ?? '');
  } catch {
    throw new UserError(`${file}: its metadata has no readable "${key}"; use another copy`);
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new UserError(
    `${file}: its metadata "${[key, ...issue.path].join('.')}" is wrong (${issue.message}); use another copy`,
  );
}

function withPrefix(
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
): ReadonlyMap<string, StoredTensor> {
  return new Map(
    [...tensors].flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
    ),
  );
}
