/** A member of a kernel's arguments, all of one word: a number, or the address of a table or of a class. */
type Kind = 'i32' | 'u32' | 'usize' | 'f32' | 'Ints' | 'Floats';

/** Members of an AssemblyScript argument class in the order of memory. */
export type Layout = readonly (readonly [name: string, kind: Kind | Layout])[];

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

const bitsOf = (value: number): number => {
  float[0] = value;
  return bits[0];
};

/** The words of `args` at `address`: the class itself, then the tables and classes that it points to. */
export function encode(layout: Layout, args: object, address: number): Int32Array {
  const words: number[] = [];
  const write = (members: Layout, values: Readonly<Record<string, unknown>>): void => {
    const start = words.length;
    for (const _ of members) words.push(0);
    for (const [i, [name, kind]] of members.entries()) {
      const value = values[name];
      if (typeof value === 'number') {
        words[start + i] = kind === 'f32' ? bitsOf(value) : value;
      } else if (Array.isArray(value)) {
        // An empty table has no address.
        if (value.length > 0) words[start + i] = address + 4 * words.length;
        for (const entry of value) words.push(kind === 'Floats' ? bitsOf(entry) : entry);
      } else {
        words[start + i] = address + 4 * words.length;
        write(kind as Layout, value as Readonly<Record<string, unknown>>);
      }
    }
  };
  write(layout, args as Readonly<Record<string, unknown>>);
  return Int32Array.from(words);
}
