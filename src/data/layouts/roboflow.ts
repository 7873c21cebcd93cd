import path from 'node:path';
import { UserError } from '../../errors.js';
import { type ClassTable, classTable } from '../classes.js';
import { isImageName, type LayoutKind, splitsOf } from '../dataset.js';
import { isFile, listNames, readBytes } from '../files.js';
import { pairUp } from './pairs.js';

const list = '_classes.csv';
const suffix = '_mask';

/**
 * Roboflow's "semantic segmentation masks": `train/NAME.jpg` with `train/NAME_mask.png` beside it and `_classes.csv`,
 * whose lines are a pixel value and its class; likewise `valid` and `test`.
 */
export const roboflow: LayoutKind = {
  name: 'roboflow',
  looks: `train/ with ${list} and *${suffix}.png`,
  test: (root) => foldersIn(root).length > 0,
  async open(root, { own }) {
    const splits = splitsOf(foldersIn(root));
    const at = (split: string) => path.join(root, splits.get(split) ?? split);
    return {
      classes: own ?? (await readTable(path.join(at([...splits.keys()][0]), list))),
      splits: [...splits.keys()],
      list: (split) =>
        pairUp(at(split), at(split), {
          suffix,
          isImage: (name) => isImageName(name) && !name.endsWith(`${suffix}.png`),
        }),
      imagesOf: at,
      labelsOf: at,
    };
  },
};

const foldersIn = (root: string): string[] =>
  listNames(root, 'folders').filter((name) => isFile(path.join(root, name, list)));

async function readTable(file: string): Promise<ClassTable> {
  const lines = (await readBytes(file, 1 << 20)).toString('utf8').split(/\r?\n/);
  const rows = lines.flatMap((line) => {
    const parts = /^\s*(\d{1,3})\s*,\s*(.+?)\s*$/.exec(line);
    return parts ? [{ raw: Number(parts[1]), name: parts[2] }] : [];
  });
  const wrong = rows.find(
    ({ raw, name }, i) => raw > 255 || rows.findIndex((row) => row.raw === raw || row.name === name) !== i,
  );
  if (rows.length === 0 || rows.length > 255 || wrong) {
    throw new UserError(
      `${file}: ${wrong ? `line '${wrong.raw}, ${wrong.name}' is out of range or there twice` : `has ${rows.length} classes`}; expected lines such as '1, car'`,
    );
  }
  return classTable('roboflow', rows, []);
}
