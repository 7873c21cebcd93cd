import path from 'node:path';
import * as v from 'valibot';
import { UserError } from '../../errors.js';
import { type ClassTable, classTable, type Rgb, readJson } from '../classes.js';
import { type LayoutKind, type Sample, splitsOf } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';
import { valOfFlat } from './flat.js';
import { pairUp } from './pairs.js';

const byte = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(255));
const machineColours = v.record(v.pipe(v.string(), v.minLength(1)), v.strictTuple([byte, byte, byte]));
const colour = v.pipe(v.string(), v.regex(/^#[0-9a-f]{6}$/i));
const meta = v.object({ classes: v.array(v.object({ title: v.string(), color: colour })) });

const masks = 'masks_machine';
/** Largest of the two JSON files. */
const mostBytes = 1 << 24;

/**
 * A project of Supervisely, exported as masks: `DATASET/img/NAME.jpg` with `DATASET/masks_machine/NAME.png`, whose values
 * `obj_class_to_machine_color.json` names; what no object covers is 0, the class "background". Data sets named train and
 * val are the splits; otherwise a tenth by name is `val`.
 */
export const supervisely: LayoutKind = {
  name: 'supervisely',
  looks: `meta.json with */img/ and */${masks}/`,
  test: (root) => isFile(path.join(root, 'meta.json')) && datasetsIn(root).length > 0,
  async open(root, { own }) {
    const folders = datasetsIn(root);
    if (!folders.some((name) => isFolder(path.join(root, name, masks)))) {
      throw new UserError(
        `${path.join(root, folders[0], masks)}: not found; only the objects were exported, convert them to label images first, or export the project as masks`,
      );
    }
    const named = splitsOf(folders);
    const classes = own ?? (await readTable(root));
    const labelsOf = (split: string) => path.join(root, named.get(split) ?? folders[0], masks);
    if (named.has('train')) {
      return {
        classes,
        splits: [...named.keys()],
        list: (split) => samplesOf(root, named.get(split)!),
        imagesOf: (split) => path.join(root, named.get(split)!, 'img'),
        labelsOf,
      };
    }
    const all = folders.flatMap((folder) => samplesOf(root, folder));
    const val = valOfFlat(all.map(({ id }) => id));
    return {
      classes,
      splits: val.size > 0 ? ['train', 'val'] : ['train'],
      list: (split) => all.filter(({ id }) => val.has(id) === (split === 'val')),
      imagesOf: () => path.join(root, '*', 'img'),
      labelsOf,
    };
  },
};

const datasetsIn = (root: string): string[] =>
  listNames(root, 'folders').filter((name) => isFolder(path.join(root, name, 'img')));

/** Masks are named NAME.png or NAME.jpg.png. */
function samplesOf(root: string, folder: string): Sample[] {
  const at = (kind: string) => path.join(root, folder, kind);
  return pairUp(at('img'), at(masks)).map((sample) => {
    const whole = path.join(at(masks), `${path.relative(at('img'), sample.image)}.png`);
    const found = sample.labels ? sample : isFile(whole) ? { ...sample, labels: whole } : sample;
    return { ...found, id: path.join(folder, sample.id) };
  });
}

async function readTable(root: string): Promise<ClassTable> {
  const file = path.join(root, 'obj_class_to_machine_color.json');
  if (!isFile(file))
    throw new UserError(`${file}: not found; it says which value in ${masks} is which class`);
  const parsed = v.safeParse(machineColours, await readJson(file, mostBytes));
  if (!parsed.success || Object.keys(parsed.output).length > 254) {
    throw new UserError(`${file}: expected an object of up to 254 classes like {"kiwi": [1, 1, 1]}`);
  }
  // Without it colours are our own.
  const shown = v.safeParse(meta, await readJson(path.join(root, 'meta.json'), mostBytes));
  const colourOf = (title: string): Rgb | undefined => {
    const entry = shown.success ? shown.output.classes.find((one) => one.title === title) : undefined;
    const hex = entry?.color.slice(1);
    const at = (start: number) => Number.parseInt(hex!.slice(start, start + 2), 16);
    return hex ? [at(0), at(2), at(4)] : undefined;
  };
  const rows = Object.entries(parsed.output).map(([name, [raw]]) => ({ name, raw, colour: colourOf(name) }));
  const twice = rows.find(({ raw }, i) => rows.findIndex((row) => row.raw === raw) !== i);
  if (twice) throw new UserError(`${file}: value ${twice.raw} is two classes; export the masks again`);
  const background = rows.some(({ raw }) => raw === 0)
    ? []
    : [{ name: 'background', raw: 0, colour: [0, 0, 0] as const }];
  return classTable('supervisely', [...background, ...rows.sort((a, b) => a.raw - b.raw)], []);
}
