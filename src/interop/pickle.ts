import { UserError } from '../errors.js';

/** What a pickle may hold here: plain data, dictionaries as maps, and objects of the classes in `Globals`. */
export type Pickled = null | boolean | number | bigint | string | Pickled[] | Map<Pickled, Pickled> | object;

/**
 * What a pickle may name, as `module.name`. A name that is called gets its arguments; nothing else is ever called.
 * Names that only stand for something (types of storages) may be plain objects.
 */
export type Globals = Readonly<Record<string, object | ((...args: Pickled[]) => Pickled)>>;

export interface PickleReader {
  readonly globals: Globals;
  /** Resolves a reference to something outside of the pickle. */
  persistent(id: Pickled): Pickled;
}

const MARK = Symbol('mark');

/**
 * Reads one pickle (protocol 2 to 5) without executing anything: a small subset of its instructions, and only the
 * names in `globals`. https://docs.python.org/3/library/pickletools.html
 * @param file is what messages name.
 * @returns the value, and where the pickle ends.
 * @throws UserError for any other name or instruction.
 */
export function readPickle(
  bytes: Uint8Array,
  start: number,
  reader: PickleReader,
  file: string,
): { readonly value: Pickled; readonly end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const stack: (Pickled | typeof MARK)[] = [];
  const memo = new Map<number, Pickled>();
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
    const values = stack.splice(mark).slice(1);
    return values as Pickled[];
  };
  const take = (count: number): Uint8Array => {
    if (at + count > bytes.length) throw damaged();
    at += count;
    return bytes.subarray(at - count, at);
  };
  const text = (count: number): string => new TextDecoder().decode(take(count));
  const line = (): string => {
    const end = bytes.indexOf(10, at);
    if (end < 0) throw damaged();
    const result = new TextDecoder().decode(bytes.subarray(at, end));
    at = end + 1;
    return result;
  };
  const number = (count: 1 | 2 | 4): number => {
    take(count);
    if (count === 1) return view.getUint8(at - 1);
    return count === 2 ? view.getUint16(at - 2, true) : view.getUint32(at - 4, true);
  };
  const long = (count: number): number | bigint => {
    const digits = take(count);
    let value = 0n;
    for (let i = count - 1; i >= 0; i--) value = (value << 8n) | BigInt(digits[i]);
    if (count > 0 && digits[count - 1] > 127) value -= 1n << BigInt(8 * count);
    return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  };
  const find = (module: string, name: string): object => {
    const key = `${module}.${name}`;
    if (Object.hasOwn(reader.globals, key)) return reader.globals[key];
    throw new UserError(
      `${file}: holds a ${key}, which is not a tensor; save only model.state_dict() with PyTorch and import that`,
    );
  };
  const setItems = (target: Pickled, pairs: readonly Pickled[]): void => {
    if (!(target instanceof Map)) throw damaged();
    for (let i = 0; i < pairs.length; i += 2) target.set(pairs[i], pairs[i + 1]);
  };
  const append = (target: Pickled, values: readonly Pickled[]): void => {
    if (!Array.isArray(target)) throw damaged();
    target.push(...values);
  };
  const last = (count: number): Pickled[] => {
    const values = Array.from({ length: count }, pop);
    return values.reverse();
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
        return { value: pop(), end: at };
      case 0x28: // MARK
        stack.push(MARK);
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
        stack.push(long(number(1)));
        break;
      case 0x47: // BINFLOAT
        take(8);
        stack.push(view.getFloat64(at - 8));
        break;
      case 0x58: // BINUNICODE
        stack.push(text(number(4)));
        break;
      case 0x8c: // SHORT_BINUNICODE
      case 0x55: // SHORT_BINSTRING
        stack.push(text(number(1)));
        break;
      case 0x7d: // EMPTY_DICT
        stack.push(new Map());
        break;
      case 0x5d: // EMPTY_LIST
      case 0x29: // EMPTY_TUPLE
        stack.push([]);
        break;
      case 0x74: // TUPLE
      case 0x6c: // LIST
        stack.push(popToMark());
        break;
      case 0x85: // TUPLE1
      case 0x86: // TUPLE2
      case 0x87: // TUPLE3
        stack.push(last(code - 0x84));
        break;
      case 0x61: // APPEND
      case 0x65: {
        // APPENDS
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
        memo.set(number(1), top());
        break;
      case 0x72: // LONG_BINPUT
        memo.set(number(4), top());
        break;
      case 0x94: // MEMOIZE
        memo.set(memo.size, top());
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
        stack.push(find(line(), line()));
        break;
      case 0x93: {
        // STACK_GLOBAL
        const [module, name] = last(2);
        stack.push(find(String(module), String(name)));
        break;
      }
      case 0x51: // BINPERSID
        stack.push(reader.persistent(pop()));
        break;
      case 0x52: {
        // REDUCE
        const [callee, args] = last(2);
        if (typeof callee !== 'function' || !Array.isArray(args)) throw damaged();
        stack.push((callee as (...args: Pickled[]) => Pickled)(...args));
        break;
      }
      case 0x62: // BUILD: attributes of an object (`_metadata` of a state_dict) carry no tensors.
        pop();
        break;
      default:
        throw new UserError(
          `${file}: uses the pickle instruction 0x${code.toString(16)}, which checkpoints do not; save model.state_dict() with a current PyTorch`,
        );
    }
  }
}
