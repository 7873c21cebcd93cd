import path from 'node:path';
import { isImageName, type LayoutKind, stem } from '../dataset.js';
import { isFolder, listNames } from '../files.js';
import { cityscapesClasses } from './cityscapes.js';
import { valOfFlat } from './flat.js';
import { pairUp } from './pairs.js';

/**
 * KITTI's semantic benchmark: `training/image_2/NAME.png` with `training/semantic/NAME.png` (labelIds of Cityscapes) and
 * `testing/image_2`. It has no validation split; a tenth of the training images by name is `val`.
 */
export const kitti: LayoutKind = {
  name: 'kitti',
  looks: 'training/image_2/ with training/semantic/',
  test: (root) => ['image_2', 'semantic'].every((folder) => isFolder(path.join(root, 'training', folder))),
  open(root, { own }) {
    const at = (split: string, kind: string) =>
      path.join(root, split === 'test' ? 'testing' : 'training', kind);
    const val = valOfFlat(listNames(at('train', 'image_2'), 'files').filter(isImageName).map(stem));
    return {
      classes: own ?? cityscapesClasses,
      splits: [
        'train',
        ...(val.size > 0 ? ['val'] : []),
        ...(isFolder(at('test', 'image_2')) ? ['test'] : []),
      ],
      list: (split) =>
        pairUp(at(split, 'image_2'), at(split, 'semantic'), {
          only: (id) => split === 'test' || val.has(id) === (split === 'val'),
        }),
      imagesOf: (split) => at(split, 'image_2'),
      labelsOf: (split) => at(split, 'semantic'),
    };
  },
};
