import { getFloat16 } from '@petamoriken/float16';
import { UserError } from '../errors.js';
import type { Globals, Pickled, PickleReader } from './pickle.js';
import { Opaque, PickleError, readPickle } from './pickle.js';
import type { ForeignTensor } from './pytorch.js';
import { readZip } from './zip.js';

class ElementType {
  constructor(
    readonly bytes: number,
    readonly get: (view: DataView, at: number) => number,
  ) {}
}

const bfloat16 = (view: DataView, at: number): number => {
  scratch.setUint16(2, view.getUint16(at, true), true);
  return scratch.getFloat32(0, true);
};
const scratch = new DataView(new ArrayBuffer(4));

const elementTypes = new Map<string, ElementType>([
  ['FloatStorage', new ElementType(4, (view, at) => view.getFloat32(at, true))],
  ['DoubleStorage', new ElementType(8, (view, at) => view.getFloat64(at, true))],
  ['HalfStorage', new ElementType(2, (view, at) => getFloat16(view, at, true))],
  ['BFloat16Storage', new ElementType(2, bfloat16)],
  ['LongStorage', new ElementType(8, (view, at) => Number(view.getBigInt64(at, true)))],
  ['IntStorage', new ElementType(4, (view, at) => view.getInt32(at, true))],
  ['ShortStorage', new ElementType(2, (view, at) => view.getInt16(at, true))],
  ['CharStorage', new ElementType(1, (view, at) => view.getInt8(at))],
  ['ByteStorage', new ElementType(1, (view, at) => view.getUint8(at))],
  ['BoolStorage', new ElementType(1, (view, at) => view.getUint8(at))],
]);

/** Tensors of more axes than this, or repeated numbers beyond this many, are in no checkpoint. */
const limits = { axes: 8, repeated: 2 ** 22, depth: 32 };

const isCount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

/** A reference to numbers that lie elsewhere in the file. */
class Storage {
  constructor(
    readonly type: ElementType,
    readonly key: string,
    readonly count: number,
  ) {}
}

/** A tensor of which only the place is known: offset and strides in elements, all inside its storage. */
class Placed {
  readonly count: number;

  constructor(
    readonly storage: Storage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    this.count = shape.reduce((product, n) => product * n, 1);
    const last = shape.reduce((sum, n, axis) => sum + Math.max(0, n - 1) * strides[axis], offset);
    if (!isCount(this.count) || !isCount(last) || (this.count > 0 && last >= storage.count)) {
      throw new PickleError('has a tensor that lies outside of its storage: it is damaged');
    }
  }
}

/** `storage, offset, size, stride, …`: what PyTorch rebuilds a tensor from. */
const rebuild = (...[storage, offset, shape, strides]: Pickled[]): Pickled => {
  const isShape = (value: Pickled): value is number[] =>
    Array.isArray(value) && value.length <= limits.axes && value.every(isCount);
  if (!(storage instanceof Storage && isCount(offset) && isShape(shape) && isShape(strides)))
    throw new PickleError('has a tensor without storage, offset, size and strides: it is damaged');
  if (shape.length !== strides.length)
    throw new PickleError('has a tensor with other sizes than strides: it is damaged');
  return new Placed(storage, offset, [...shape], [...strides]);
};

/** From pairs, or empty. */
const orderedDict = (pairs?: Pickled): Pickled => {
  const made = new Map<Pickled, Pickled>();
  if (Array.isArray(pairs)) for (const pair of pairs) if (Array.isArray(pair)) made.set(pair[0], pair[1]);
  return made;
};

const globals: Globals = new Map<string, object | ((...args: Pickled[]) => Pickled)>([
  ['collections.OrderedDict', orderedDict],
  ['torch._utils._rebuild_tensor_v2', rebuild],
  // Checkpoints from before PyTorch 0.4.
  ['torch._utils._rebuild_tensor', rebuild],
  ['torch._utils._rebuild_parameter', (tensor: Pickled) => tensor ?? null],
  ...[...elementTypes].map(([name, type]) => [`torch.${name}`, type] as const),
]);

/** `('storage', type, key, device, count, …)`. */
function persistent(id: Pickled): Storage {
  const [kind, type, key, , count] = Array.isArray(id) ? id : [];
  if (kind !== 'storage' || !(type instanceof ElementType) || typeof key !== 'string' || !isCount(count)) {
    throw new PickleError(
      type instanceof Opaque
        ? `has numbers of the type ${type.name}, which is not known: save the weights as float32`
        : 'has a reference that is no storage of numbers: it is damaged',
    );
  }
  return new Storage(type, key, count);
}

const reader: PickleReader = { globals, persistent };

/** A dictionary of tensors in a checkpoint. */
export interface Dictionary {
  /** Where it lies, such as `state_dict` or `ema.module`; empty: it is the whole file. */
  readonly path: string;
  readonly tensors: ReadonlyMap<string, ForeignTensor>;
}

/**
 * The dictionaries of tensors in a PyTorch checkpoint (zip files of PyTorch 1.6 and later, and the earlier format),
 * without executing anything in it: `state_dict`s at any depth, and the modules of a whole model that was saved.
 * A tensor's numbers are read when its `data` is.
 * @param file is what messages name.
 * @throws UserError, one line: no checkpoint, damaged (checksums are compared), no tensors, or numbers without bounds.
 */
export function readPth(bytes: Uint8Array, file: string): Dictionary[] {
  const isZip = bytes.length > 4 && bytes[0] === 0x50 && bytes[1] === 0x4b;
  const { value, unknown, numbers } = isZip ? readZipped(bytes, file) : readLegacy(bytes, file);
  const found = dictionariesIn(value);
  if (found.length === 0) {
    const held = unknown.size > 0 ? ` but ${[...unknown].slice(0, 3).join(', ')}` : '';
    throw new UserError(
      `${file}: holds no tensors${held}; save model.state_dict() with PyTorch and import that`,
    );
  }
  let spare = limits.repeated;
  return found.map(({ path, tensors }) => ({
    path,
    tensors: new Map(
      [...tensors].map(([name, placed]) => {
        // More numbers than the storage has: strides of zero repeat them.
        spare -= Math.max(0, placed.count - placed.storage.count);
        if (spare < 0)
          throw new UserError(`${file}: ${name} repeats its numbers ${placed.count} times; get another copy`);
        return [name, new LazyTensor(placed, name, numbers, file)];
      }),
    ),
  }));
}

/** Bytes of a storage by its key; undefined where the file lacks them. */
type Numbers = (storage: Storage) => Uint8Array | undefined;

class LazyTensor implements ForeignTensor {
  constructor(
    private readonly placed: Placed,
    private readonly name: string,
    private readonly numbers: Numbers,
    private readonly file: string,
  ) {}

  get shape(): readonly number[] {
    return this.placed.shape;
  }

  /** Row-major values, read anew each time. */
  get data(): Float32Array {
    const { shape, strides, storage, offset, count } = this.placed;
    const { type } = storage;
    const bytes = this.numbers(storage);
    if (!bytes || bytes.length < storage.count * type.bytes)
      throw new UserError(`${this.file}: lacks the numbers of ${this.name}; it is truncated, get it again`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const data = new Float32Array(count);
    const place = shape.map(() => 0);
    for (let i = 0; i < count; i++) {
      const element = place.reduce((sum, p, axis) => sum + p * strides[axis], offset);
      data[i] = type.get(view, element * type.bytes);
      for (let axis = shape.length - 1; axis >= 0; axis--) {
        if (++place[axis] < shape[axis]) break;
        place[axis] = 0;
      }
    }
    return data;
  }
}

/** What a module of PyTorch keeps its tensors and parts under; no part of a name in its state_dict. */
const moduleParts = new Set(['_parameters', '_buffers', '_modules']);

/** All tensors, in one dictionary per place where the file has some. */
function dictionariesIn(root: Pickled): { path: string; tensors: Map<string, Placed> }[] {
  const found = new Map<string, Map<string, Placed>>();
  const seen = new Set<Pickled>();
  const walk = (value: Pickled, path: string, depth: number): void => {
    const entries = value instanceof Opaque ? value.state : value;
    if (!(entries instanceof Map) || seen.has(entries) || depth > limits.depth) return;
    seen.add(entries);
    const tensors = new Map<string, Placed>();
    for (const [key, entry] of entries) {
      if (typeof key !== 'string' && typeof key !== 'number') continue;
      const inside = moduleParts.has(String(key)) ? path : path ? `${path}.${key}` : String(key);
      if (entry instanceof Placed) tensors.set(String(key), entry);
      else walk(entry, inside, depth + 1);
    }
    if (tensors.size > 0) found.set(path, new Map([...(found.get(path) ?? []), ...tensors]));
  };
  walk(root, '', 0);
  return [...found].map(([path, tensors]) => ({ path, tensors }));
}

interface Contents {
  readonly value: Pickled;
  readonly unknown: ReadonlySet<string>;
  readonly numbers: Numbers;
}

/** `NAME/data.pkl` and one file per storage in `NAME/data/`. */
function readZipped(bytes: Uint8Array, file: string): Contents {
  const entries = readZip(bytes, file);
  const pickle = [...entries.keys()].find((name) => /(^|\/)data\.pkl$/.test(name));
  if (!pickle) throw new UserError(`${file}: is a zip file without data.pkl, no checkpoint of PyTorch`);
  const folder = pickle.slice(0, -'data.pkl'.length);
  const order = entries.get(`${folder}byteorder`)?.read();
  if (order && new TextDecoder().decode(order).trim() === 'big')
    throw new UserError(`${file}: was written on a big-endian machine; save it again on another`);
  // One storage is kept: that of the tensor before, which often has the next one too.
  let kept: { key: string; bytes: Uint8Array } | undefined;
  const numbers = ({ key }: Storage): Uint8Array | undefined => {
    if (kept?.key === key) return kept.bytes;
    const read = entries.get(`${folder}data/${key}`)?.read();
    kept = read && { key, bytes: read };
    return read;
  };
  return { ...readPickle(entries.get(pickle)!.read(), 0, reader, file), numbers };
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
      const storage = persistent(id);
      kinds.set(storage.key, storage);
      return storage;
    },
  };
  const next = () => {
    const read = readPickle(bytes, at, noting, file);
    at = read.end;
    return read;
  };
  if (next().value !== legacyMagic) throw new UserError(`${file}: is a pickle but no checkpoint of PyTorch`);
  next();
  next();
  const { value, unknown } = next();
  const keys = next().value;
  if (!Array.isArray(keys))
    throw new UserError(`${file}: lacks its list of storages; it is damaged, get it again`);
  const storages = new Map<string, Uint8Array>();
  for (const key of keys) {
    // The count again, as 64-bit integer.
    at += 8;
    const storage = kinds.get(String(key));
    if (!storage) break;
    const size = storage.count * storage.type.bytes;
    storages.set(storage.key, bytes.subarray(at, at + size));
    at += size;
  }
  return { value, unknown, numbers: ({ key }) => storages.get(key) };
}
