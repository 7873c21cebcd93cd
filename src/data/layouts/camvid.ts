import path from 'node:path';
import { type ClassTable, classTable, type Rgb } from '../classes.js';
import { type LayoutKind, sortSplits } from '../dataset.js';
import { isFile, listNames } from '../files.js';
import { isColourPng } from '../label-image.js';
import { readColourList } from './colour-list.js';
import { pairUp } from './pairs.js';

const rows: readonly (readonly [name: string, colour: Rgb])[] = [
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
export const camvidClasses: ClassTable = classTable(
  'camvid',
  rows.map(([name, colour], raw) => ({ name, raw, colour })),
  [11],
);

/**
 * CamVid as published with SegNet: `train/NAME.png` with `trainannot/NAME.png`, likewise `val` and `test`. Annotation
 * programs export the same folders with colours, which a `label_colors.txt` names.
 */
export const camvid: LayoutKind = {
  name: 'camvid',
  looks: 'train/ with trainannot/',
  test: (root) => splitsIn(root).length > 0,
  async open(root, { own }) {
    const colours = path.join(root, 'label_colors.txt');
    // SegNet's labels are values; a list of colours beside them is the original's.
    const listed = isFile(colours) && (await hasColours(path.join(root, `${splitsIn(root)[0]}annot`)));
    return {
      classes: own ?? (listed ? await readColourList(colours, 'camvid') : camvidClasses),
      splits: sortSplits(splitsIn(root)),
      list: (split) => pairUp(path.join(root, split), path.join(root, `${split}annot`)),
      imagesOf: (split) => path.join(root, split, '*.png'),
      labelsOf: (split) => path.join(root, `${split}annot`),
    };
  },
};

async function hasColours(folder: string): Promise<boolean> {
  const name = listNames(folder, 'files').find((file) => file.endsWith('.png'));
  return name !== undefined && (await isColourPng(path.join(folder, name)));
}

function splitsIn(root: string): string[] {
  const folders = listNames(root, 'folders');
  return folders.filter((name) => folders.includes(`${name}annot`));
}
