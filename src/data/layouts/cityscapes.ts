import path from 'node:path';
import { UserError } from '../../errors.js';
import { type ClassTable, classTable, type Rgb } from '../classes.js';
import { type LayoutKind, type Sample, sortSplits } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';

type Row = readonly [name: string, labelId: number, category: string, instances: boolean, colour: Rgb];

const rows: readonly Row[] = [
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
  ...classTable(
    'cityscapes',
    rows.map(([name, raw, , instances, colour]) => ({ name, raw, instances, colour })),
  ),
  categories: ['flat', 'construction', 'object', 'nature', 'sky', 'human', 'vehicle'].map((name) => ({
    name,
    classes: rows.flatMap((row, trainId) => (row[2] === name ? [trainId] : [])),
  })),
};

const imageEnding = /_leftImg8bit\.(png|jpg)$/;
const extraSplit = 'train_extra';

/**
 * The official layout: `leftImg8bit/<split>/<city>/*_leftImg8bit.png` with
 * `gtFine/<split>/<city>/*_gtFine_labelIds.png` (or `_gtFine_labelTrainIds.png`) and `instanceIds` beside them.
 * With `extra`, the images of `leftImg8bit/train_extra` and their `gtCoarse` labels join the split `train`.
 */
export const cityscapes: LayoutKind = {
  name: 'cityscapes',
  looks: 'leftImg8bit/ with gtFine/',
  extra: true,
  test: (root) => isFolder(path.join(root, 'leftImg8bit')),
  open(root, { extra, own }) {
    const images = path.join(root, 'leftImg8bit');
    const folders = listNames(images, 'folders');
    if (extra && !folders.includes(extraSplit)) {
      throw new UserError(
        `${path.join(images, extraSplit)}: not found; the extra (coarse) set needs leftImg8bit/train_extra and gtCoarse/train_extra`,
      );
    }
    const truth = (split: string) => (split === extraSplit ? 'gtCoarse' : 'gtFine');
    return {
      classes: own ?? cityscapesClasses,
      splits: sortSplits(folders.filter((name) => name !== extraSplit || !folders.includes('train'))),
      list: (split) => {
        const fine = listSplit(root, split, truth(split));
        return extra && split === 'train' ? [...fine, ...listSplit(root, extraSplit, 'gtCoarse')] : fine;
      },
      imagesOf: (split) => path.join(images, split, '<city>', '*_leftImg8bit.png'),
      labelsOf: (split) => path.join(root, truth(split), split),
    };
  },
};

function listSplit(root: string, split: string, truth: 'gtFine' | 'gtCoarse'): Sample[] {
  const samples: Sample[] = [];
  for (const city of listNames(path.join(root, 'leftImg8bit', split), 'folders')) {
    const folder = path.join(root, 'leftImg8bit', split, city);
    for (const name of listNames(folder, 'files')) {
      if (!imageEnding.test(name)) continue;
      const id = name.replace(imageEnding, '');
      samples.push({ id, image: path.join(folder, name), ...truthOf(root, split, city, id, truth) });
    }
  }
  return samples;
}

/** labelIds win over labelTrainIds where both exist: they are the original files. */
function truthOf(
  root: string,
  split: string,
  city: string,
  id: string,
  truth: string,
): Omit<Sample, 'id' | 'image'> {
  const base = path.join(root, truth, split, city, `${id}_${truth}`);
  const raw = `${base}_labelIds.png`;
  const train = `${base}_labelTrainIds.png`;
  const instances = `${base}_instanceIds.png`;
  const labels = isFile(raw) ? raw : isFile(train) ? train : undefined;
  return {
    labels,
    encoding: labels === train ? 'train' : 'raw',
    ...(labels === raw ? { named: 'labelIds' } : {}),
    ...(isFile(instances) ? { instances } : {}),
    ...(labels ? {} : { expectedLabels: `${raw} (or ..._labelTrainIds.png)` }),
  };
}
