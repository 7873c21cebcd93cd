/** Writes checkpoints as `torch.save` does (protocol 2, a zip file), and such as it never would. */
import { setFloat16 } from '@petamoriken/float16';
import { zipSync } from 'fflate';

/** A tensor to write; its numbers lie densely, row-major, unless it says otherwise. */
export interface Written {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  readonly type?: StorageType;
  readonly strides?: readonly number[];
  readonly offset?: number;
  /** What the pickle says of the storage's length. */
  readonly count?: number;
}

export type StorageType = keyof typeof writers;

const writers = {
  FloatStorage: { bytes: 4, set: (v: DataView, at: number, x: number) => v.setFloat32(at, x, true) },
  DoubleStorage: { bytes: 8, set: (v: DataView, at: number, x: number) => v.setFloat64(at, x, true) },
  HalfStorage: { bytes: 2, set: (v: DataView, at: number, x: number) => setFloat16(v, at, x, true) },
  BFloat16Storage: {
    bytes: 2,
    set(v: DataView, at: number, x: number) {
      const bits = new DataView(new ArrayBuffer(4));
      bits.setFloat32(0, x);
      v.setUint16(at, bits.getUint16(0), true);
    },
  },
};

export class Global {
  constructor(
    readonly module: string,
    readonly name: string,
  ) {}
}

/** Bytes that go into the pickle as they are. */
export class Raw {
  constructor(readonly bytes: readonly number[]) {}
}

export type Item = null | boolean | number | string | Item[] | Map<string, Item> | Written | Global | Raw;

const isWritten = (item: Item): item is Written =>
  item !== null && typeof item === 'object' && 'shape' in item;

/** The pickle of an object, and the numbers of the tensors in it. */
export function pickle(root: Item): { data: Uint8Array; storages: Uint8Array[] } {
  const out: number[] = [0x80, 2];
  const storages: Uint8Array[] = [];
  const text = new TextEncoder();
  const u32 = (n: number) => out.push(n & 255, (n >> 8) & 255, (n >> 16) & 255, (n >>> 24) & 255);
  const string = (value: string) => {
    const bytes = text.encode(value);
    out.push(0x58);
    u32(bytes.length);
    out.push(...bytes);
  };
  const global = (module: string, name: string) => out.push(0x63, ...text.encode(`${module}\n${name}\n`));
  const int = (n: number) => {
    if (n >= 0 && n < 256) out.push(0x4b, n);
    else {
      out.push(0x4a);
      u32(n);
    }
  };
  const tuple = (items: readonly (() => void)[]) => {
    out.push(0x28);
    for (const item of items) item();
    out.push(0x74);
  };
  const tensor = ({
    shape,
    data,
    type = 'FloatStorage',
    strides,
    offset = 0,
    count = data.length,
  }: Written) => {
    const { bytes, set } = writers[type];
    const storage = new Uint8Array(data.length * bytes);
    const view = new DataView(storage.buffer);
    data.forEach((x, i) => {
      set(view, i * bytes, x);
    });
    const key = String(storages.push(storage) - 1);
    const dense = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
    global('torch._utils', '_rebuild_tensor_v2');
    tuple([
      () => {
        tuple([
          () => string('storage'),
          () => global('torch', type),
          () => string(key),
          () => string('cpu'),
          () => int(count),
        ]);
        out.push(0x51);
      },
      () => int(offset),
      () => tuple(shape.map((n) => () => int(n))),
      () => tuple((strides ?? dense).map((n) => () => int(n))),
      () => out.push(0x89),
    ]);
    out.push(0x52);
  };
  // What is still to be written, last first: objects nest deeper than a stack of calls.
  const todo: (Item | (() => void))[] = [root];
  const write = (item: Item): void => {
    if (item === null) out.push(0x4e);
    else if (typeof item === 'boolean') out.push(item ? 0x88 : 0x89);
    else if (typeof item === 'number') int(item);
    else if (typeof item === 'string') string(item);
    else if (item instanceof Raw) out.push(...item.bytes);
    else if (item instanceof Global) global(item.module, item.name);
    else if (item instanceof Map) {
      out.push(0x7d, 0x28);
      todo.push(() => out.push(0x75));
      for (const [key, value] of [...item].reverse()) todo.push(value, () => string(key));
    } else if (isWritten(item)) tensor(item);
    else {
      out.push(0x5d, 0x28);
      todo.push(() => out.push(0x65));
      for (let i = item.length - 1; i >= 0; i--) todo.push(item[i]);
    }
  };
  while (todo.length > 0) {
    const next = todo.pop()!;
    if (typeof next === 'function') next();
    else write(next);
  }
  out.push(0x2e);
  return { data: Uint8Array.from(out), storages };
}

/** A `.pth` file; `level` above 0 deflates, which PyTorch never does. */
export function writePth(root: Item, level: 0 | 6 = 0): Uint8Array {
  const { data, storages } = pickle(root);
  return zipPth(data, storages, level);
}

export const zipPth = (data: Uint8Array, storages: readonly Uint8Array[], level: 0 | 6 = 0): Uint8Array =>
  zipSync(
    {
      'net/data.pkl': data,
      ...Object.fromEntries(storages.map((storage, i) => [`net/data/${i}`, storage])),
    },
    { level },
  );
