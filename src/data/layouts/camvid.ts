import path from 'node:path';
import { camvidClasses } from '../classes.js';
import { isImageName, type Layout, sortSplits, stem } from '../dataset.js';
import { listNames } from '../files.js';
import { labelsByStem } from './pairs.js';

/**
 * CamVid as published with SegNet: `train/NAME.png` with `trainannot/NAME.png`, likewise `val` and `test`.
 * @returns undefined where no folder has its `annot` twin.
 */
export function camvidLayout(root: string): Layout | undefined {
  const folders = listNames(root, 'folders');
  const splits = folders.filter((name) => folders.includes(`${name}annot`));
  if (splits.length === 0) return undefined;
  return {
    kind: 'camvid',
    classes: camvidClasses,
    splits: sortSplits(splits),
    list: (split) => {
      const labelOf = labelsByStem(path.join(root, `${split}annot`));
      return listNames(path.join(root, split), 'files')
        .filter(isImageName)
        .map((name) => ({
          id: stem(name),
          image: path.join(root, split, name),
          ...labelOf(stem(name)),
        }));
    },
    imagesOf: (split) => path.join(root, split, '*.png'),
  };
}
