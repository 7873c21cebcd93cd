import path from 'node:path';
import { UserError } from '../../errors.js';
import { type LayoutKind, splitsOf } from '../dataset.js';
import { isFolder, listNames } from '../files.js';
import { pairUp } from './pairs.js';

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
    const splits = splitsOf(listNames(path.join(root, 'img_dir'), 'folders'));
    const at = (kind: string, split: string) => path.join(root, kind, splits.get(split) ?? split);
    return {
      classes: own,
      splits: [...splits.keys()],
      list: (split) => pairUp(at('img_dir', split), at('ann_dir', split)),
      imagesOf: (split) => at('img_dir', split),
      labelsOf: (split) => at('ann_dir', split),
    };
  },
};
