import * as v from 'valibot';
import type { ClassTable } from '../data/classes.js';
import { UserError } from '../errors.js';
import { imageNorm } from '../nets/normalization.js';
import type { FloatStorage, FloatTensor, Safetensors, StoredTensor } from './safetensors.js';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

const format = 'vnet-segmentation';
/** Raised when files of older versions can no longer be read. */
const version = '1';

const whole = v.pipe(v.number(), v.integer(), v.minValue(0));
const byte = v.pipe(whole, v.maxValue(255));
const networkSchema = v.object({ name: v.string(), config: v.record(v.string(), v.unknown()) });
const classesSchema = v.object({
  /** The data set's name. */
  name: v.string(),
  names: v.pipe(v.array(v.string()), v.minLength(1), v.maxLength(255)),
  colours: v.array(v.strictTuple([byte, byte, byte])),
  /** Train id → value in label files of the data set. */
  toRaw: v.array(byte),
  /** Outputs that stand for no class of the data set, where there are some. */
  ignored: v.optional(v.array(byte)),
});
const normalizationSchema = v.object({ mean: v.array(v.number()), std: v.array(v.number()) });
const trainedSchema = v.object({
  epoch: whole,
  step: whole,
  /** Of the validation split, where it has been computed. */
  miou: v.optional(v.pipe(v.number(), v.minValue(0), v.maxValue(1))),
  /** What the mIoU rests on: the data set's folder, the split, and how many images. */
  scored: v.optional(v.object({ data: v.string(), split: v.string(), images: v.pipe(whole, v.minValue(1)) })),
  /** Height and width of a whole image as it is scored, else as training saw it, before crops: how large objects were. */
  image: v.optional(v.strictTuple([v.pipe(whole, v.minValue(1)), v.pipe(whole, v.minValue(1))])),
});

/** What is known about a model besides its weights. */
export interface ModelInfo {
  readonly network: v.InferOutput<typeof networkSchema>;
  readonly classes: v.InferOutput<typeof classesSchema>;
  readonly trained: v.InferOutput<typeof trainedSchema>;
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
 * The bytes of a model file: weights and running statistics under their slot names, metadata as JSON strings.
 * @param storage F16 halves the file; values are rounded to 11 bits.
 */
export function encodeModel(info: ModelInfo, weights: Tensors, storage: FloatStorage = 'F32'): Uint8Array {
  const stored = new Map([...weights].map(([name, tensor]) => [name, { ...tensor, storage }]));
  return encodeSafetensors(stored, metadataOf('model', info));
}

/**
 * The model in a file's bytes, or the model inside a training checkpoint (the averaged weights where it has them).
 * @param file is what messages name.
 * @throws UserError, one line naming the file: truncated, damaged, or no file of this program.
 */
export function decodeModel(bytes: Uint8Array, file: string): ModelFile {
  return modelIn(decodeTensors(bytes, file), file);
}

/** The same of what was read already. */
export function modelIn(decoded: Safetensors, file: string): ModelFile {
  const { tensors, metadata } = own(decoded, file);
  const averaged = withPrefix(tensors, averagePrefix);
  const plain = new Map([...tensors].filter(([name]) => !name.includes('/')));
  return { info: infoOf(metadata, file), weights: averaged.size > 0 ? averaged : plain };
}

/** Whether bytes are a model or a training checkpoint of this program, in its own names. */
export function isOwn(bytes: Uint8Array, file: string): boolean {
  try {
    const { metadata } = decodeSafetensors(bytes, file);
    return metadata.format === format && (metadata.kind === 'model' || metadata.kind === 'training');
  } catch {
    return false;
  }
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
export const decodeTensors = (bytes: Uint8Array, file: string): Safetensors =>
  own(decodeSafetensors(bytes, file), file);

function own(decoded: Safetensors, file: string): Safetensors {
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
  schema: v.GenericSchema<unknown, T>,
  file: string,
): T {
  let json: unknown;
  try {
    json = JSON.parse(metadata[key] ?? '');
  } catch {
    throw new UserError(`${file}: its metadata has no readable "${key}"; use another copy`);
  }
  const parsed = v.safeParse(schema, json);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  const where = [key, ...(issue.path ?? []).map(({ key }) => String(key))].join('.');
  throw new UserError(`${file}: its metadata "${where}" is wrong (${issue.message}); use another copy`);
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
