import path from 'node:path';
import { type ClassTable, plainTable } from '../classes.js';
import type { LayoutKind } from '../dataset.js';
import { isFolder } from '../files.js';
import { cityscapesClasses } from './cityscapes.js';
import { splitFolders } from './pairs.js';

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
    return { classes: own ?? bdd100kClasses, ...splitFolders(root, images, labels, { encoding: 'raw' }) };
  },
};
