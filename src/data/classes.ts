import * as v from 'valibot';
import { UserError } from '../errors.js';
import { readBytes, reason } from './files.js';
import { ignoreId } from './ignore.js';

/** Red, green, blue, each 0 to 255. */
export type Rgb = readonly [number, number, number];

export { ignoreId } from './ignore.js';

/** The classes of a data set, and how the values in its label files become train ids. */
export interface ClassTable {
  readonly name: string;
  /** One name per train id (0, 1, …). At most 255. */
  readonly names: readonly string[];
  /** One colour per train id. */
  readonly colours: readonly Rgb[];
  /** Always 255. */
  readonly ignore: typeof ignoreId;
  /** 256 entries: raw value in a label file → train id, or 255. */
  readonly mapping: Uint8Array;
  /** 256 entries: 1 where the raw value is a class or declared to be ignored, 0 where it is an error. */
  readonly known: Uint8Array;
  /** Train id → the raw value to write in a label file (for submissions). */
  readonly toRaw: readonly number[];
  /** One per train id: whether objects of the class are counted as instances. */
  readonly hasInstances: readonly boolean[];
  /** Colours that mean "no class" in colour labels, besides black. */
  readonly ignoredColours?: readonly Rgb[];
  /** Whether a person has said what value 255 is, by a mapping or a list of ignored values. */
  readonly explicit?: boolean;
  /** What labels of the palette kind are read by; default: by comparing them with {@link colours}. */
  readonly palette?: 'colours' | 'index';
  /** What labels of photos with an EXIF orientation were drawn on; default: by comparing sizes. */
  readonly orientation?: 'upright' | 'stored';
  /** Groups of classes, where the data set defines them. */
  readonly categories?: readonly { readonly name: string; readonly classes: readonly number[] }[];
}

/** The same classes for files that hold train ids already (such as `labelTrainIds`): i → i, 255 ignored. */
export function trainIdTable(classes: ClassTable): ClassTable {
  return {
    ...classes,
    ...plainTable(classes.name, classes.names, classes.colours),
    hasInstances: classes.hasInstances,
  };
}

/**
 * A table whose raw values are given: `rows` in the order of train ids.
 * @param ignored raw values that are ignored; default: all that no class has.
 */
export function classTable(
  name: string,
  rows: readonly { name: string; raw: number; colour?: Rgb; instances?: boolean }[],
  ignored?: readonly number[],
): ClassTable {
  const palette = generatePalette(rows.length);
  const raws = rows.map(({ raw }) => raw);
  return {
    name,
    names: rows.map((row) => row.name),
    colours: rows.map(({ colour }, i) => colour ?? palette[i]),
    ignore: ignoreId,
    mapping: table(raws.map((raw, id) => [raw, id])),
    known: ignored ? flags([...raws, ...ignored, ignoreId]) : new Uint8Array(256).fill(1),
    toRaw: raws,
    hasInstances: rows.map(({ instances }) => instances ?? false),
    explicit: true,
  };
}

/** A table whose raw values are the train ids; colours are generated where none are given. */
export function plainTable(name: string, names: readonly string[], colours?: readonly Rgb[]): ClassTable {
  const ids = [...names.keys()];
  return {
    name,
    names,
    colours: colours ?? generatePalette(names.length),
    ignore: ignoreId,
    mapping: table(ids.map((i) => [i, i])),
    known: flags([...ids, ignoreId]),
    toRaw: ids,
    hasInstances: ids.map(() => false),
  };
}

/** A table of names with their colours, in the order of train ids, which are the raw values too. */
export function colourTable(
  name: string,
  rows: readonly (readonly [name: string, colour: Rgb])[],
): ClassTable {
  const [names, colours] = [rows.map(([name]) => name), rows.map(([, colour]) => colour)];
  return { ...plainTable(name, names, colours), explicit: true };
}

const byte = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));
const rawValue = v.pipe(v.string(), v.regex(/^\d{1,3}$/, 'keys must be raw values 0 to 255'));
const classesFile = v.strictObject({
  names: v.pipe(v.array(v.pipe(v.string(), v.minLength(1))), v.minLength(1), v.maxLength(255)),
  colours: v.optional(v.array(v.strictTuple([byte, byte, byte]))),
  ignore: v.optional(v.union([byte, v.array(byte)])),
  mapping: v.optional(v.record(rawValue, byte)),
  palette: v.optional(v.picklist(['colours', 'index'])),
  orientation: v.optional(v.picklist(['upright', 'stored'])),
});

/** Largest classes.json: 255 names and colours take a few kilobytes. */
const mostBytes = 1 << 20;

/** What a `classes.json` holds: see {@link readClasses}. */
export type ClassesFile = v.InferOutput<typeof classesFile>;

/**
 * Reads the `classes.json` of a folder data set:
 * `{ "names": [...], "colours"?: [[r,g,b], ...], "ignore"?: 255 | [0, 255], "mapping"?: { "7": 0, ... } }`.
 * Without `mapping` raw value i is class i. With it, raw values not listed are errors unless ignored. 255 is
 * ignored unless it is mapped. `"palette": "index" | "colours"` says what palette PNGs are read by, and
 * `"orientation": "upright" | "stored"` whether labels were drawn on photos as their EXIF orientation shows them; where
 * they are absent, the files are compared.
 * @throws UserError, one line, naming the file and the field.
 */
export async function readClasses(file: string): Promise<ClassTable> {
  return parseClasses(await readJson(file, mostBytes), file);
}

/** Reads a JSON file of UTF-8, with or without byte order mark. @throws UserError naming the file. */
export async function readJson(file: string, most: number): Promise<unknown> {
  const bytes = await readBytes(file, most);
  try {
    // The decoder drops the mark, and throws where bytes are no UTF-8.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const cause = error instanceof SyntaxError ? reason(error) : 'its text is not UTF-8';
    throw new UserError(`${file}: is not valid JSON (${cause})`);
  }
}

/** Checks parsed JSON as {@link readClasses} does; `file` is what messages name. */
export function parseClasses(json: unknown, file: string): ClassTable {
  const parsed = v.safeParse(classesFile, json);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const path = v.getDotPath(issue);
    const where = path ? `"${path}": ` : '';
    throw new UserError(
      `${file}: ${where}${issue.message.split('\n')[0]}; expected {"names": [...], "colours"?, "ignore"?, "mapping"?, "palette"?, "orientation"?}`,
    );
  }
  const { names, colours, mapping } = parsed.output;
  const ignored = [parsed.output.ignore ?? []].flat();
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined)
    throw new UserError(`${file}: "names" has "${twice}" twice; class names must differ`);
  if (colours && colours.length !== names.length) {
    throw new UserError(
      `${file}: "colours" has ${colours.length} entries but "names" has ${names.length}; give one colour a class`,
    );
  }
  const pairs: [number, number][] = mapping
    ? Object.entries(mapping).map(([raw, id]) => [Number(raw), id])
    : names.map((_, i) => [i, i]);
  for (const [raw, id] of pairs) {
    if (raw > 255) throw new UserError(`${file}: "mapping" has raw value ${raw}; label files hold 0 to 255`);
    if (id >= names.length) {
      throw new UserError(
        `${file}: "mapping" sends ${raw} to class ${id}, but "names" has classes 0 to ${names.length - 1}`,
      );
    }
    if (ignored.includes(raw)) {
      throw new UserError(
        `${file}: value ${raw} is both class "${names[id]}" and in "ignore"; list the class values in "mapping"`,
      );
    }
  }
  const toRaw = names.map((_, i) => pairs.find(([, id]) => id === i)?.[0] ?? ignoreId);
  return {
    ...plainTable('folder', names, colours),
    mapping: table(pairs),
    known: flags([...pairs.map(([raw]) => raw), ...ignored, ignoreId]),
    toRaw,
    explicit: mapping !== undefined || ignored.includes(ignoreId),
    palette: parsed.output.palette,
    orientation: parsed.output.orientation,
  };
}

/**
 * Colours that are easy to tell apart for any number of classes: hues step by the golden ratio, and
 * saturation and value cycle with periods that do not line up.
 */
export function generatePalette(count: number): Rgb[] {
  return Array.from({ length: count }, (_, i) => {
    const hue = ((i * 0.618034 + 0.08) % 1) * 6;
    const saturation = [0.75, 0.5, 0.9][i % 3];
    const value = [0.9, 0.65, 0.8, 0.5][Math.floor(i / 3) % 4];
    // HSV → RGB: channel n is v − v·s·max(0, min(k, 4 − k, 1)) with k = (n + hue) mod 6.
    const channel = (n: number): number => {
      const k = (n + hue) % 6;
      return Math.round(255 * (value - value * saturation * Math.max(0, Math.min(k, 4 - k, 1))));
    };
    return [channel(5), channel(3), channel(1)] as const;
  });
}

function table(pairs: readonly (readonly [raw: number, trainId: number])[]): Uint8Array {
  const mapping = new Uint8Array(256).fill(ignoreId);
  for (const [raw, id] of pairs) mapping[raw] = id;
  return mapping;
}

function flags(values: Iterable<number>): Uint8Array {
  const known = new Uint8Array(256);
  for (const value of values) known[value] = 1;
  return known;
}
