import path from 'node:path';
import { type ClassTable, colourTable, type Rgb } from '../classes.js';
import type { LayoutKind } from '../dataset.js';
import { listNames } from '../files.js';
import { splitFolders } from './pairs.js';

const rows: readonly (readonly [name: string, colour: Rgb])[] = [
  ['road', [128, 64, 128]],
  ['drivable fallback', [81, 0, 81]],
  ['sidewalk', [244, 35, 232]],
  ['non-drivable fallback', [152, 251, 152]],
  ['person', [220, 20, 60]],
  ['rider', [255, 0, 0]],
  ['motorcycle', [0, 0, 230]],
  ['bicycle', [119, 11, 32]],
  ['autorickshaw', [255, 204, 54]],
  ['car', [0, 0, 142]],
  ['truck', [0, 0, 70]],
  ['bus', [0, 60, 100]],
  ['vehicle fallback', [136, 143, 153]],
  ['curb', [220, 190, 40]],
  ['wall', [102, 102, 156]],
  ['fence', [190, 153, 153]],
  ['guard rail', [180, 165, 180]],
  ['billboard', [174, 64, 67]],
  ['traffic sign', [220, 220, 0]],
  ['traffic light', [250, 170, 30]],
  ['pole', [153, 153, 153]],
  ['obs-str-bar-fallback', [169, 187, 214]],
  ['building', [70, 70, 70]],
  ['bridge', [150, 100, 100]],
  ['vegetation', [107, 142, 35]],
  ['sky', [70, 130, 180]],
];

/** The 26 classes of level 3, which the segmentation challenge of the India Driving Dataset scores. */
export const iddClasses: ClassTable = colourTable('idd', rows);

const suffix = '_gtFine_labellevel3Ids';

/**
 * India Driving Dataset: folders as Cityscapes has them, with `*_gtFine_labellevel3Ids.png`, which its public tools make
 * from the polygons.
 */
export const idd: LayoutKind = {
  name: 'idd',
  looks: `leftImg8bit/ with gtFine/…/*${suffix}.png`,
  test: (root) => someLabel(path.join(root, 'gtFine'))?.endsWith(`${suffix}.png`) ?? false,
  open(root, { own }) {
    return { classes: own ?? iddClasses, ...splitFolders(root, 'leftImg8bit', 'gtFine', { suffix }) };
  },
};

/** A label file of level 3, where there is one in the first drives of the splits. */
function someLabel(truth: string): string | undefined {
  for (const split of listNames(truth, 'folders')) {
    for (const drive of listNames(path.join(truth, split), 'folders').slice(0, 3)) {
      const found = listNames(path.join(truth, split, drive), 'files').find((name) => name.includes(suffix));
      if (found) return found;
    }
  }
  return undefined;
}
