import path from 'node:path';
import { type ClassTable, plainTable } from '../classes.js';
import { type LayoutKind, splitsOf } from '../dataset.js';
import { isFolder, listNames } from '../files.js';
import { cityscapesClasses } from './cityscapes.js';
import { pairUp } from './pairs.js';

/** The 19 classes of Cityscapes; the files hold train ids. */
export const bdd100kClasses: ClassTable = {
  ...plainTable('bdd100k', cityscapesClasses.names, cityscapesClasses.colours),
  explicit: true,
};

/** Where its two releases have images and labels. */
const places = [
  ['images/10k', 'labels/sem_seg/masks'],
  ['seg/images', 'seg/labels'],
] as const;

/**
 * BDD100K: `images/10k/train/NAME.jpg` with `labels/sem_seg/masks/train/NAME.png`, and the first release with
 * `seg/images/train/NAME.jpg` and `seg/labels/train/NAME_train_id.png`.
 */
export const bdd100k: LayoutKind = {
  name: 'bdd100k',
  looks: 'images/10k/ with labels/sem_seg/masks/',
  test: (root) => places.some((folders) => folders.every((folder) => isFolder(path.join(root, folder)))),
  open(root, { own }) {
    const [images, labels] = places.find(([folder]) => isFolder(path.join(root, folder)))!;
    const splits = splitsOf(listNames(path.join(root, images), 'folders'));
    const at = (kind: string, split: string) => path.join(root, kind, splits.get(split) ?? split);
    return {
      classes: own ?? bdd100kClasses,
      splits: [...splits.keys()],
      list: (split) => pairUp(at(images, split), at(labels, split), { encoding: 'raw' }),
      imagesOf: (split) => at(images, split),
      labelsOf: (split) => at(labels, split),
    };
  },
};
