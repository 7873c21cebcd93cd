import { getFloat16 } from '@petamoriken/float16';
import { unzipSync } from 'fflate';
import { UserError } from '../errors.js';
import type { Globals, Pickled, PickleReader } from './pickle.js';
import { readPickle } from './pickle.js';
import type { ForeignTensor } from './pytorch.js';

interface ElementType {
  readonly bytes: number;
  get(view: DataView, at: number): number;
}

const elementTypes: Readonly<Record<string, ElementType>> = {
  FloatStorage: { bytes: 4, get: (view, at) => view.getFloat32(at, true) },
  DoubleStorage: { bytes: 8, get: (view, at) => view.getFloat64(at, true) },
  HalfStorage: { bytes: 2, get: (view, at) => getFloat16(view, at, true) },
  LongStorage: { bytes: 8, get: (view, at) => Number(view.getBigInt64(at, true)) },
  IntStorage: { bytes: 4, get: (view, at) => view.getInt32(at, true) },
  ByteStorage: { bytes: 1, get: (view, at) => view.getUint8(at) },
  BoolStorage: { bytes: 1, get: (view, at) => view.getUint8(at) },
};

/** A reference to numbers that lie elsewhere in the file. */
class Storage {
  constructor(
    readonly type: ElementType,
    readonly key: string,
    readonly count: number,
  ) {}
}

/** A tensor whose numbers have not been read yet. */
class LazyTensor {
  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  /** Row-major values. */
  read(bytes: Uint8Array): Float32Array {
    const { shape, strides } = this;
    const { type } = this.storage;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
    const place = shape.map(() => 0);
    for (let i = 0; i < data.length; i++) {
      const element = place.reduce((sum, p, axis) => sum + p * strides[axis], this.offset);
      data[i] = type.get(view, element * type.bytes);
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        if (++place[axis] < shape[axis]) break;
        place[axis] = 0;
      }
    }
    return data;
  }
}

const globals: Globals = {
  'collections.OrderedDict': () => new Map(),
  'torch._utils._rebuild_tensor_v2': (storage, offset, shape, strides) =>
    new LazyTensor(storage as Storage, offset as number, shape as number[], strides as number[]),
  // Checkpoints from before PyTorch 0.4.
  'torch._utils._rebuild_tensor': (storage, offset, shape, strides) =>
    new LazyTensor(storage as Storage, offset as number, shape as number[], strides as number[]),
  'torch._utils._rebuild_parameter': (tensor) => tensor,
  ...Object.fromEntries(Object.entries(elementTypes).map(([name, type]) => [`torch.${name}`, type])),
};

/** `('storage', type, key, device, count, …)`. */
const reader: PickleReader = {
  globals,
  persistent(id) {
    const [kind, type, key, , count] = id as Pickled[];
    if (kind !== 'storage') throw new UserError(`a reference to a ${String(kind)}, which is not a storage`);
    return new Storage(type as ElementType, String(key), count as number);
  },
};

/**
 * The tensors of a PyTorch checkpoint: of a zip file (PyTorch 1.6 and later) or of the earlier format, without executing
 * anything in it. A `state_dict` may be the whole file or lie one level deep (`state_dict`, `model`, …).
 * @param file is what messages name.
 * @throws UserError, one line: no checkpoint, damaged, or with other things than tensors inside.
 */
export function readPth(bytes: Uint8Array, file: string): Map<string, ForeignTensor> {
  const isZip = bytes.length > 4 && bytes[0] === 0x50 && bytes[1] === 0x4b;
  const { value, storages } = isZip ? readZip(bytes, file) : readLegacy(bytes, file);
  const found = tensorsIn(value);
  if (found.size === 0) throw new UserError(`${file}: holds no tensors; give a checkpoint with a state_dict`);
  return new Map(
    [...found].map(([name, tensor]) => {
      const data = storages.get(tensor.storage.key);
      if (!data || data.length < tensor.storage.count * tensor.storage.type.bytes) {
        throw new UserError(`${file}: lacks the numbers of ${name}; it is truncated, get it again`);
      }
      return [name, { shape: tensor.shape, data: tensor.read(data) }];
    }),
  );
}

/** A dictionary of tensors, or the first such dictionary inside. */
function tensorsIn(value: Pickled): Map<string, LazyTensor> {
  const found = new Map<string, LazyTensor>();
  if (!(value instanceof Map)) return found;
  for (const [name, entry] of value) if (entry instanceof LazyTensor) found.set(String(name), entry);
  if (found.size > 0) return found;
  for (const entry of value.values()) {
    const inside = tensorsIn(entry);
    if (inside.size > 0) return inside;
  }
  return found;
}

interface Contents {
  readonly value: Pickled;
  readonly storages: ReadonlyMap<string, Uint8Array>;
}

/** `NAME/data.pkl` and one file per storage in `NAME/data/`. */
function readZip(bytes: Uint8Array, file: string): Contents {
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(bytes);
  } catch {
    throw new UserError(`${file}: is a damaged zip file; get it again`);
  }
  const pickle = Object.keys(entries).find((name) => /(^|\/)data\.pkl$/.test(name));
  if (!pickle) throw new UserError(`${file}: is a zip file without data.pkl, no checkpoint of PyTorch`);
  const folder = `${pickle.slice(0, -'data.pkl'.length)}data/`;
  const storages = new Map(
    Object.entries(entries)
      .filter(([name]) => name.startsWith(folder))
      .map(([name, data]) => [name.slice(folder.length), data]),
  );
  return { value: readPickle(entries[pickle], 0, reader, file).value, storages };
}

const legacyMagic = 0x1950a86a20f9469cfc6cn;

/** Pickles one after the other: magic number, version, system, the object, the storages' keys; then their numbers. */
function readLegacy(bytes: Uint8Array, file: string): Contents {
  if (bytes[0] !== 0x80)
    throw new UserError(`${file}: is no checkpoint of PyTorch; give a .pth or .safetensors`);
  let at = 0;
  const kinds = new Map<string, Storage>();
  const noting: PickleReader = {
    globals,
    persistent(id) {
      const storage = reader.persistent(id) as Storage;
      kinds.set(storage.key, storage);
      return storage;
    },
  };
  const next = (): Pickled => {
    const { value, end } = readPickle(bytes, at, noting, file);
    at = end;
    return value;
  };
  if (next() !== legacyMagic) throw new UserError(`${file}: is a pickle but no checkpoint of PyTorch`);
  next();
  next();
  const value = next();
  const storages = new Map<string, Uint8Array>();
  for (const key of next() as Pickled[]) {
    // The count again, as 64-bit integer.
    at += 8;
    const storage = kinds.get(String(key));
    if (!storage) break;
    const size = storage.count * storage.type.bytes;
    storages.set(storage.key, bytes.subarray(at, at + size));
    at += size;
  }
  return { value, storages };
}
