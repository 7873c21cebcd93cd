import path from 'node:path';
import { UserError } from '../../errors.js';
import type { LayoutKind } from '../dataset.js';
import { isFolder } from '../files.js';
import { splitFolders } from './pairs.js';

/** The layout of MMSegmentation's custom data sets: `img_dir/train/NAME.jpg` with `ann_dir/train/NAME.png`. */
export const mmseg: LayoutKind = {
  name: 'mmseg',
  looks: 'img_dir/ with ann_dir/',
  test: (root) => ['img_dir', 'ann_dir'].every((folder) => isFolder(path.join(root, folder))),
  open(root, { own }) {
    if (!own) {
      throw new UserError(
        `${path.join(root, 'classes.json')}: not found; img_dir/ and ann_dir/ do not say which classes there are, so it is needed, like {"names": ["road", "car"]}`,
      );
    }
    return { classes: own, ...splitFolders(root, 'img_dir', 'ann_dir') };
  },
};
