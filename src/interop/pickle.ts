import { UserError } from '../errors.js';

/** What a pickle may hold here: plain data, dictionaries as maps, and objects of the classes in `Globals`. */
export type Pickled = null | boolean | number | bigint | string | Pickled[] | Map<Pickled, Pickled> | object;

/**
 * What a pickle may name, as `module.name`. A name that is called gets its arguments; nothing else is ever called.
 * Names that only stand for something (types of storages) may be plain objects.
 */
export type Globals = ReadonlyMap<string, object | ((...args: Pickled[]) => Pickled)>;

export interface PickleReader {
  readonly globals: Globals;
  /** Resolves a reference to something outside of the pickle. @throws where it is none. */
  persistent(id: Pickled): Pickled;
}

/** An object of a class that is not in `Globals`: nothing was executed to make it. */
export class Opaque {
  /** Its attributes, where the pickle has them. */
  state: Pickled = null;

  constructor(readonly name: string) {}
}

/** Thrown by a reader's functions for arguments that no pickle of PyTorch has. */
export class PickleError extends Error {}

const MARK = Symbol('mark');

/** The pickle of a checkpoint has a few hundred bytes per tensor. */
const largestPickle = 2 ** 23;
/** Lists, tuples, dictionaries and numbers of any length: what can take much more memory than its instruction. */
const mostObjects = 500_000;

/**
 * Reads one pickle (protocol 2 to 5) without executing anything: its instructions for data, and only the names in
 * `globals`; objects of other classes become {@link Opaque}. https://docs.python.org/3/library/pickletools.html
 * @param file is what messages name.
 * @returns the value, where the pickle ends, and the names that are not in `globals`.
 * @throws UserError: damaged, too large, or with an instruction that is not for data.
 */
export function readPickle(
  bytes: Uint8Array,
  start: number,
  reader: PickleReader,
  file: string,
): { readonly value: Pickled; readonly end: number; readonly unknown: ReadonlySet<string> } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: (Pickled | typeof MARK)[] = [];
  const memo = new Map<number, Pickled>();
  const unknown = new Set<string>();
  let objects = 0;
  let at = start;

  const damaged = () => new UserError(`${file}: is damaged, or no checkpoint of PyTorch; get it again`);
  const pop = (): Pickled => {
    const value = stack.pop();
    if (value === undefined || value === MARK) throw damaged();
    return value as Pickled;
  };
  const top = (): Pickled => {
    const value = pop();
    stack.push(value);
    return value;
  };
  const popToMark = (): Pickled[] => {
    const mark = stack.lastIndexOf(MARK);
    if (mark < 0) throw damaged();
    const values = stack.slice(mark + 1) as Pickled[];
    stack.length = mark;
    return values;
  };
  const count = (): void => {
    if (++objects <= mostObjects) return;
    throw new UserError(
      `${file}: holds more than ${mostObjects} objects; save only model.state_dict() with PyTorch`,
    );
  };
  const pushObject = (value: Pickled): void => {
    count();
    stack.push(value);
  };
  const remember = (place: number): void => {
    if (!memo.has(place)) count();
    memo.set(place, top());
  };
  const take = (count: number): Uint8Array => {
    if (at - start + count > largestPickle) {
      throw new UserError(
        `${file}: its pickle is larger than ${largestPickle >> 20} MiB; save only model.state_dict() with PyTorch`,
      );
    }
    if (at + count > bytes.length) throw damaged();
    at += count;
    return bytes.subarray(at - count, at);
  };
  const text = (count: number): string => new TextDecoder().decode(take(count));
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0 || end - at > 1000) throw damaged();
    const result = text(end - at);
    at = end + 1;
    return result;
  };
  const number = (count: 1 | 2 | 4): number => {
    take(count);
    if (count === 1) return view.getUint8(at - 1);
    return count === 2 ? view.getUint16(at - 2, true) : view.getUint32(at - 4, true);
  };
  const long = (count: number): number | bigint => {
    if (count > 255) throw damaged();
    const digits = take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]);
    if (count > 0 && digits[count - 1] > 127) value -= 1n << BigInt(8 * count);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  };
  const find = (module: Pickled, name: Pickled): object => {
    if (typeof module !== 'string' || typeof name !== 'string') throw damaged();
    const key = `${module}.${name}`;
    const known = reader.globals.get(key);
    if (known) return known;
    if (unknown.size < 100) unknown.add(key);
    return new Opaque(key);
  };
  const setItems = (target: Pickled, pairs: readonly Pickled[]): void => {
    if (target instanceof Opaque) return;
    if (!(target instanceof Map) || pairs.length % 2 !== 0) throw damaged();
    for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i], pairs[i + 1]);
  };
  const append = (target: Pickled, values: readonly Pickled[]): void => {
    if (target instanceof Opaque) return;
    if (!Array.isArray(target)) throw damaged();
    for (const value of values) target.push(value);
  };
  const last = (count: number): Pickled[] => {
    const values = Array.from({ length: count }, pop);
    return values.reverse();
  };
  /** Of what a reader's function throws, only that it did: what it got is not what PyTorch writes. */
  const checked = (make: () => Pickled): Pickled => {
    try {
      return make();
    } catch (error) {
      if (error instanceof PickleError) throw new UserError(`${file}: ${error.message}; get it again`);
      throw error;
    }
  };
  const call = (callee: Pickled, args: Pickled): void => {
    if (callee instanceof Opaque) pushObject(new Opaque(callee.name));
    else if (typeof callee === 'function' && Array.isArray(args))
      pushObject(checked(() => (callee as (...args: Pickled[]) => Pickled)(...args.slice(0, 16))));
    else throw damaged();
  };

  for (;;) {
    const code = number(1);
    switch (code) {
      case 0x80: // PROTO
        number(1);
        break;
      case 0x95: // FRAME
        take(8);
        break;
      case 0x2e: // STOP
        return { value: pop(), end: at, unknown };
      case 0x28: // MARK
        stack.push(MARK);
        break;
      case 0x30: // POP
        if (stack.pop() === undefined) throw damaged();
        break;
      case 0x31: // POP_MARK
        popToMark();
        break;
      case 0x32: // DUP
        stack.push(top());
        break;
      case 0x4e: // NONE
        stack.push(null);
        break;
      case 0x88: // NEWTRUE
      case 0x89: // NEWFALSE
        stack.push(code === 0x88);
        break;
      case 0x4b: // BININT1
        stack.push(number(1));
        break;
      case 0x4d: // BININT2
        stack.push(number(2));
        break;
      case 0x4a: // BININT
        stack.push(number(4) | 0);
        break;
      case 0x8a: // LONG1
      case 0x8b: // LONG4
        pushObject(long(number(code === 0x8a ? 1 : 4)));
        break;
      case 0x47: // BINFLOAT
        take(8);
        stack.push(view.getFloat64(at - 8));
        break;
      case 0x58: // BINUNICODE
      case 0x54: // BINSTRING
        pushObject(text(number(4)));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        pushObject(text(number(1)));
        break;
      case 0x42: // BINBYTES
      case 0x43: // SHORT_BINBYTES
        take(number(code === 0x43 ? 1 : 4));
        pushObject(new Opaque('bytes'));
        break;
      case 0x7d: // EMPTY_DICT
        pushObject(new Map());
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
      case 0x8f: // EMPTY_SET
        pushObject([]);
        break;
      case 0x74: // TUPLE
      case 0x6c: // LIST
      case 0x91: // FROZENSET
        pushObject(popToMark());
        break;
      case 0x64: {
        // DICT
        const made = new Map<Pickled, Pickled>();
        setItems(made, popToMark());
        pushObject(made);
        break;
      }
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        pushObject(last(code - 0x84));
        break;
      case 0x61: // APPEND
      case 0x65: // APPENDS
      case 0x90: {
        // ADDITEMS
        const values = code === 0x61 ? [pop()] : popToMark();
        append(top(), values);
        break;
      }
      case 0x73: {
        // SETITEM
        const pair = last(2);
        setItems(top(), pair);
        break;
      }
      case 0x75: {
        // SETITEMS
        const pairs = popToMark();
        setItems(top(), pairs);
        break;
      }
      case 0x71: // BINPUT
        remember(number(1));
        break;
      case 0x72: // LONG_BINPUT
        remember(number(4));
        break;
      case 0x94: // MEMOIZE
        remember(memo.size);
        break;
      case 0x68: // BINGET
      case 0x6a: {
        // LONG_BINGET
        const value = memo.get(number(code === 0x68 ? 1 : 4));
        if (value === undefined) throw damaged();
        stack.push(value);
        break;
      }
      case 0x63: // GLOBAL
        pushObject(find(line(), line()));
        break;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = last(2);
        pushObject(find(module, name));
        break;
      }
      case 0x51: {
        // BINPERSID
        const id = pop();
        pushObject(checked(() => reader.persistent(id)));
        break;
      }
      case 0x52: // REDUCE
      case 0x81: {
        // NEWOBJ
        const [callee, args] = last(2);
        call(callee, args);
        break;
      }
      case 0x92: {
        // NEWOBJ_EX
        const [callee, args] = last(3);
        call(callee, args);
        break;
      }
      case 0x62: {
        // BUILD: attributes of dictionaries (`_metadata` of a state_dict) carry no tensors, those of modules do.
        const [target, state] = last(2);
        if (target instanceof Opaque) target.state = state;
        stack.push(target);
        break;
      }
      default:
        throw new UserError(
          `${file}: uses the pickle instruction 0x${code.toString(16)}, which checkpoints do not; save model.state_dict() with a current PyTorch`,
        );
    }
  }
}
