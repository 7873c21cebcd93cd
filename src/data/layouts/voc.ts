import path from 'node:path';
import { UserError } from '../../errors.js';
import { type ClassTable, plainTable, type Rgb } from '../classes.js';
import { type LayoutKind, sortSplits, stem } from '../dataset.js';
import { isFile, isFolder, listNames, readBytes } from '../files.js';
import { readColourList } from './colour-list.js';
import { nameKey, namesOf, pairUp } from './pairs.js';

const names =
  'background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person ' +
  'pottedplant sheep sofa train tvmonitor';

/** The colour of an index: its bits 0, 3, 6 are the top bits of red, 1, 4, 7 of green, 2, 5 of blue. */
function vocColour(index: number): Rgb {
  const channel = (c: number): number => {
    let value = 0;
    for (let bit = 0; bit < 3; bit++) value |= ((index >> (3 * bit + c)) & 1) << (7 - bit);
    return value;
  };
  return [channel(0), channel(1), channel(2)];
}

/** The 21 classes of Pascal VOC; 255, of the colour of outlines, is ignored. */
export const vocClasses: ClassTable = {
  ...plainTable(
    'voc',
    names.split(' '),
    names.split(' ').map((_, i) => vocColour(i)),
  ),
  ignoredColours: [[224, 224, 192]],
  explicit: true,
};

/** Largest list of names. */
const mostBytes = 1 << 26;

/**
 * Pascal VOC: `JPEGImages/NAME.jpg` with `SegmentationClass/NAME.png` (or `SegmentationClassAug`, where that exists), in
 * splits by the lists in `ImageSets/Segmentation`. Annotation programs export the same folders with a `labelmap.txt`.
 */
export const voc: LayoutKind = {
  name: 'voc',
  looks: 'JPEGImages/ with SegmentationClass/ and ImageSets/Segmentation/',
  test: (root) =>
    ['SegmentationClass', 'SegmentationClassAug'].some((name) => isFolder(path.join(root, name))),
  async open(root, { own }) {
    const lists = path.join(root, 'ImageSets', 'Segmentation');
    const files = listNames(lists, 'files').filter((name) => name.endsWith('.txt'));
    if (files.length === 0) {
      throw new UserError(
        `${lists}: has no lists such as train.txt and val.txt; Pascal VOC's splits are named there`,
      );
    }
    const images = path.join(root, 'JPEGImages');
    const augmented = path.join(root, 'SegmentationClassAug');
    const labels = isFolder(augmented) ? augmented : path.join(root, 'SegmentationClass');
    const map = path.join(root, 'labelmap.txt');
    const members = new Map<string, Set<string>>();
    for (const name of files) {
      members.set(stem(name), namesOf((await readBytes(path.join(lists, name), mostBytes)).toString('utf8')));
    }
    // Exports of a whole task are one list.
    const only = members.size === 1 ? members.get('default') : undefined;
    if (only) {
      members.clear();
      members.set('train', only);
    }
    return {
      classes: own ?? (isFile(map) ? await readColourList(map, 'voc') : vocClasses),
      splits: sortSplits(members.keys()),
      list: (split) => pairUp(images, labels, { only: (id) => members.get(split)!.has(nameKey(id)) }),
      imagesOf: () => images,
      labelsOf: () => labels,
    };
  },
};
