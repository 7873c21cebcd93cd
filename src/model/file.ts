import { z } from 'zod';
import type { ClassTable } from '../data/classes.js';
import { readBytes } from '../data/files.js';
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
  /** What the mIoU rests on: the data set's folder, the split, and how many images. */
  scored: z.object({ data: z.string(), split: z.string(), images: z.number().int().min(1) }).optional(),
  /** Height and width of a whole image as training saw it, before crops: how large objects were. */
  image: z.tuple([z.number().int().min(1), z.number().int().min(1)]).optional(),
});
/** What is known about a model besides its weights. */
export interface ModelInfo {
  readonly network: z.infer<typeof networkSchema>;
  readonly classes: z.infer<typeof classesSchema>;
  readonly trained: z.infer<typeof trainedSchema>;
}

export type Tensors = ReadonlyMap<string, FloatTensor>;

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

/** Averaged weights, in a training checkpoint. */
export const averagePrefix = 'average/';

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

/**
 * Reads a model, or the model inside a training checkpoint (the averaged weights where it has them).
 * @throws UserError, one line naming the file: missing, truncated, damaged, or no file of this program.
 */
export async function readModel(file: string): Promise<ModelFile> {
  const { tensors, metadata } = await readTensors(file);
  const averaged = withPrefix(tensors, averagePrefix);
  const plain = new Map([...tensors].filter(([name]) => !name.includes('/')));
  return { info: infoOf(metadata, file), weights: averaged.size > 0 ? averaged : plain };
}

/** The metadata of a file of this program. */
export function metadataOf(kind: 'model' | 'training', info: ModelInfo): Record<string, string> {
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

/** Tensors and metadata of a file of this program, checked. */
export async function readTensors(file: string) {
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

/** What a file says of its model. */
export function infoOf(metadata: Readonly<Record<string, string>>, file: string): ModelInfo {
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

/** One metadata field, JSON of a known shape. */
export function field<T>(
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

/** The tensors whose names begin so, without it. */
export function withPrefix(
  tensors: ReadonlyMap<string, StoredTensor>,
  prefix: string,
): ReadonlyMap<string, StoredTensor> {
  return new Map(
    [...tensors].flatMap(([name, tensor]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
    ),
  );
}
