import { setFloat16 } from '@petamoriken/float16';
import * as v from 'valibot';
import { sha256 } from '#sha256';
import { UserError } from '../errors.js';

/**
 * The safetensors format: 8 bytes little-endian length of the header, the header as JSON
 * (`name → {dtype, shape, data_offsets}` and `__metadata__`, strings to strings), then the tensors' bytes.
 * https://github.com/huggingface/safetensors#format
 */

/** How floats are stored. */
export type FloatStorage = 'F32' | 'F16';

/** A tensor to write. */
export interface FloatTensor {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Default F32. F16 rounds to nearest even; values beyond ±65504 are refused. */
  readonly storage?: FloatStorage;
}

/** A tensor as read: its stored type, and values widened to float32. */
export interface StoredTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface Safetensors {
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Whether the file carries a content hash (files of other programs do not); it has been checked then. */
  readonly verified: boolean;
}

/** Metadata key of the hash: SHA-256 of the whole file with the 64 digits of the hash itself as zeros. */
const hashKey = 'sha256';
const noHash = '0'.repeat(64);

interface Format {
  readonly bytes: number;
  get(view: DataView, at: number): number;
}

const formats: Readonly<Record<string, Format>> = {
  F64: { bytes: 8, get: (view, at) => view.getFloat64(at, true) },
  F32: { bytes: 4, get: (view, at) => view.getFloat32(at, true) },
  F16: { bytes: 2, get: (view, at) => float16(view.getUint16(at, true)) },
  BF16: { bytes: 2, get: (view, at) => bfloat16(view.getUint16(at, true)) },
  I64: { bytes: 8, get: (view, at) => Number(view.getBigInt64(at, true)) },
  I32: { bytes: 4, get: (view, at) => view.getInt32(at, true) },
  U8: { bytes: 1, get: (view, at) => view.getUint8(at) },
};

/**
 * The bytes of a safetensors file with a content hash. The same input gives the same bytes; tensors are stored
 * in the order of the map.
 * @throws UserError where a value does not fit float16.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, FloatTensor>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { ...metadata, [hashKey]: noHash } };
  let offset = 0;
  for (const [name, { shape, data, storage = 'F32' }] of tensors) {
    const count = shape.reduce((product, n) => product * n, 1);
    if (count !== data.length)
      throw new RangeError(`${name}: ${data.length} values for shape ${shape.join('×')}`);
    const end = offset + count * formats[storage].bytes;
    header[name] = { dtype: storage, shape, data_offsets: [offset, end] };
    offset = end;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  // Padded with spaces so that the data starts at a multiple of 8, as the format recommends.
  const headerBytes = Math.ceil(text.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + offset).fill(0x20, 0, 8 + headerBytes);
  const view = new DataView(file.buffer);
  view.setBigUint64(0, BigInt(headerBytes), true);
  file.set(text, 8);
  let at = 8 + headerBytes;
  for (const [name, { data, storage = 'F32' }] of tensors) {
    for (const value of data) {
      if (storage === 'F16') {
        if (Math.abs(value) >= 65520) {
          throw new UserError(`${name}: the value ${value} does not fit float16; store it as float32`);
        }
        setFloat16(view, at, value, true);
      } else {
        view.setFloat32(at, value, true);
      }
      at += formats[storage].bytes;
    }
  }
  file.set(new TextEncoder().encode(sha256(file)), hashPlace(file, noHash));
  return file;
}

/** Where the digits of the hash stand: after its key, which is in the header once. */
function hashPlace(bytes: Uint8Array, digits: string): number {
  const key = new TextEncoder().encode(`"${hashKey}":"${digits}"`);
  let at = 8;
  while (at < bytes.length && !key.every((byte, i) => bytes[at + i] === byte)) at++;
  return at + hashKey.length + 4;
}

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const headerSchema = v.record(
  v.string(),
  v.object({ dtype: v.string(), shape: v.array(count), data_offsets: v.strictTuple([count, count]) }),
);
const metadataSchema = v.record(v.string(), v.string());

/**
 * Reads a safetensors file, of this or any other program.
 * @param file is what messages name.
 * @throws UserError, one line: truncated, damaged (the hash differs), no safetensors, or an unsupported type.
 */
export function decodeSafetensors(bytes: Uint8Array, file: string): Safetensors {
  const hashed = hashedBy(bytes, file);
  if (hashed && sha256(...hashed.parts) !== hashed.digits) throw otherHash(file);
  return readSafetensors(bytes, file, hashed !== undefined);
}

/** The same for a file whose content hash has been checked, or that has none. */
export function readSafetensors(bytes: Uint8Array, file: string, verified: boolean): Safetensors {
  const { header, metadata, dataStart } = parseHeader(bytes, file);
  const data = bytes.subarray(dataStart);
  const tensors = new Map<string, StoredTensor>();
  let next = 0;
  const inOrder = Object.entries(header).sort((a, b) => a[1].data_offsets[0] - b[1].data_offsets[0]);
  for (const [name, { dtype, shape, data_offsets: range }] of inOrder) {
    const format = Object.hasOwn(formats, dtype) ? formats[dtype] : undefined;
    if (!format) {
      throw new UserError(
        `${file}: tensor ${name} has type ${dtype}; expected ${Object.keys(formats).join(', ')}`,
      );
    }
    const count = shape.reduce((product, n) => product * n, 1);
    if (range[0] !== next || range[1] - range[0] !== count * format.bytes) {
      throw new UserError(`${file}: tensor ${name} has wrong offsets; the file is damaged, get it again`);
    }
    if (range[1] > data.length) throw truncated(file, dataStart + range[1], bytes.length);
    next = range[1];
    tensors.set(name, { dtype, shape, data: widen(data.subarray(range[0], range[1]), count, format) });
  }
  if (next !== data.length) {
    throw new UserError(
      `${file}: has ${data.length - next} bytes that belong to no tensor; the file is damaged, get it again`,
    );
  }
  return { tensors, metadata, verified };
}

function parseHeader(bytes: Uint8Array, file: string) {
  const foreign = (why: string) =>
    new UserError(`${file}: is not a safetensors file (${why}); give a model or checkpoint file`);
  if (bytes.length < 10) throw foreign(`only ${bytes.length} bytes`);
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  // The limit of the reference implementation; beyond it the first bytes are something else.
  if (length < 2n || length > 100_000_000n || bytes[8] !== 0x7b)
    throw foreign('its header is no JSON object');
  const dataStart = 8 + Number(length);
  if (dataStart > bytes.length) throw truncated(file, dataStart, bytes.length);
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, dataStart)));
  } catch {
    throw foreign('its header is no JSON object');
  }
  const { __metadata__: meta, ...rest } = json as Record<string, unknown>;
  const metadata = v.safeParse(metadataSchema, meta ?? {});
  const header = v.safeParse(headerSchema, rest);
  if (!metadata.success || !header.success) throw foreign('its header lacks dtype, shape and data_offsets');
  return { header: header.output, metadata: metadata.output, dataStart };
}

/** The digits of a file's content hash and what they are of; undefined where it has none. @throws UserError: no safetensors. */
export function hashedBy(
  bytes: Uint8Array,
  file: string,
): { readonly digits: string; readonly parts: readonly Uint8Array[] } | undefined {
  const { metadata, dataStart } = parseHeader(bytes, file);
  const digits = metadata[hashKey];
  if (digits === undefined) return undefined;
  const at = hashPlace(bytes.subarray(0, dataStart), digits);
  const zeros = new TextEncoder().encode(noHash);
  return { digits, parts: [bytes.subarray(0, at), zeros, bytes.subarray(at + noHash.length)] };
}

export const otherHash = (file: string): UserError =>
  new UserError(
    `${file}: its content does not match its hash; the file is truncated or damaged, use another copy`,
  );

const truncated = (file: string, expected: number, found: number) =>
  new UserError(
    `${file}: is truncated (${found} bytes, its header says at least ${expected}); use another copy`,
  );

function widen(bytes: Uint8Array, count: number, format: Format): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = new Float32Array(count);
  for (let i = 0; i < count; i++) values[i] = format.get(view, i * format.bytes);
  return values;
}

/** Sign, 5 bits of exponent, 10 of fraction: IEEE 754 binary16. */
function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
}

function bfloat16(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint32(0, bits << 16);
  return view.getFloat32(0);
}
