import { z } from 'zod';
import { UserError } from '../errors.js';
import { readBytes, reason } from './files.js';

/** Red, green, blue, each 0 to 255. */
export type Rgb = readonly [number, number, number];

/** The train id of pixels that count neither in the loss nor in the score. */
export const ignoreId = 255;

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
  /** Groups of classes, where the data set defines them. */
  readonly categories?: readonly { readonly name: string; readonly classes: readonly number[] }[];
}

const cityscapesRows: [name: string, labelId: number, category: string, instances: boolean, colour: Rgb][] = [
  ['road', 7, 'flat', false, [128, 64, 128]],
  ['sidewalk', 8, 'flat', false, [244, 35, 232]],
  ['building', 11, 'construction', false, [70, 70, 70]],
  ['wall', 12, 'construction', false, [102, 102, 156]],
  ['fence', 13, 'construction', false, [190, 153, 153]],
  ['pole', 17, 'object', false, [153, 153, 153]],
  ['traffic light', 19, 'object', false, [250, 170, 30]],
  ['traffic sign', 20, 'object', false, [220, 220, 0]],
  ['vegetation', 21, 'nature', false, [107, 142, 35]],
  ['terrain', 22, 'nature', false, [152, 251, 152]],
  ['sky', 23, 'sky', false, [70, 130, 180]],
  ['person', 24, 'human', true, [220, 20, 60]],
  ['rider', 25, 'human', true, [255, 0, 0]],
  ['car', 26, 'vehicle', true, [0, 0, 142]],
  ['truck', 27, 'vehicle', true, [0, 0, 70]],
  ['bus', 28, 'vehicle', true, [0, 60, 100]],
  ['train', 31, 'vehicle', true, [0, 80, 100]],
  ['motorcycle', 32, 'vehicle', true, [0, 0, 230]],
  ['bicycle', 33, 'vehicle', true, [119, 11, 32]],
];

/**
 * The 19 evaluated classes of Cityscapes. `mapping` reads `labelIds` files; every other value is ignored by
 * definition. `toRaw` is train id → labelId.
 */
export const cityscapesClasses: ClassTable = {
  name: 'cityscapes',
  names: cityscapesRows.map((row) => row[0]),
  colours: cityscapesRows.map((row) => row[4]),
  ignore: ignoreId,
  mapping: table(cityscapesRows.map((row, trainId) => [row[1], trainId])),
  known: new Uint8Array(256).fill(1),
  toRaw: cityscapesRows.map((row) => row[1]),
  hasInstances: cityscapesRows.map((row) => row[3]),
  categories: ['flat', 'construction', 'object', 'nature', 'sky', 'human', 'vehicle'].map((name) => ({
    name,
    classes: cityscapesRows.flatMap((row, trainId) => (row[2] === name ? [trainId] : [])),
  })),
};

const camvidRows: [name: string, colour: Rgb][] = [
  ['sky', [128, 128, 128]],
  ['building', [128, 0, 0]],
  ['pole', [192, 192, 128]],
  ['road', [128, 64, 128]],
  ['pavement', [60, 40, 222]],
  ['tree', [128, 128, 0]],
  ['sign', [192, 128, 128]],
  ['fence', [64, 64, 128]],
  ['car', [64, 0, 128]],
  ['pedestrian', [64, 64, 0]],
  ['bicyclist', [0, 128, 192]],
];

/** The 11 classes of CamVid as published with SegNet; raw value 11 is unlabelled. */
export const camvidClasses: ClassTable = {
  ...plainTable(
    'camvid',
    camvidRows.map((row) => row[0]),
    camvidRows.map((row) => row[1]),
  ),
  known: flags([...camvidRows.keys(), 11, 255]),
};

/** The same classes for files that hold train ids already (such as `labelTrainIds`): i → i, 255 ignored. */
export function trainIdTable(classes: ClassTable): ClassTable {
  return {
    ...plainTable(classes.name, classes.names, classes.colours),
    hasInstances: classes.hasInstances,
    categories: classes.categories,
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

const byte = z.number().int().min(0).max(255);
const classesFile = z.strictObject({
  names: z.array(z.string().min(1)).min(1).max(255),
  colours: z.array(z.tuple([byte, byte, byte])).optional(),
  ignore: z.union([byte, z.array(byte)]).optional(),
  mapping: z.record(z.string().regex(/^\d{1,3}$/, 'keys must be raw values 0 to 255'), byte).optional(),
});

/** What a `classes.json` holds: see {@link readClasses}. */
export type ClassesFile = z.infer<typeof classesFile>;

/**
 * Reads the `classes.json` of a folder data set:
 * `{ "names": [...], "colours"?: [[r,g,b], ...], "ignore"?: 255 | [0, 255], "mapping"?: { "7": 0, ... } }`.
 * Without `mapping` raw value i is class i. With it, raw values not listed are errors unless ignored. 255 is
 * ignored unless it is mapped.
 * @throws UserError, one line, naming the file and the field.
 */
export async function readClasses(file: string): Promise<ClassTable> {
  const bytes = await readBytes(file);
  let json: unknown;
  try {
    json = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new UserError(`${file}: is not valid JSON (${reason(error)})`);
  }
  return parseClasses(json, file);
}

/** Checks parsed JSON as {@link readClasses} does; `file` is what messages name. */
export function parseClasses(json: unknown, file: string): ClassTable {
  const parsed = classesFile.safeParse(json);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    const where = issue.path.length > 0 ? `"${issue.path.join('.')}": ` : '';
    throw new UserError(
      `${file}: ${where}${issue.message.split('\n')[0]}; expected {"names": [...], "colours"?, "ignore"?, "mapping"?}`,
    );
  }
  const { names, colours, mapping } = parsed.data;
  const ignored = [parsed.data.ignore ?? []].flat();
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
