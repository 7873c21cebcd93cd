import path from 'node:path';
import { UserError } from '../../errors.js';
import { cityscapesClasses } from '../classes.js';
import { type Layout, type Sample, sortSplits } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';

const imageSuffix = '_leftImg8bit.png';
const extraSplit = 'train_extra';

/**
 * The official layout: `leftImg8bit/<split>/<city>/*_leftImg8bit.png` with
 * `gtFine/<split>/<city>/*_gtFine_labelIds.png` (or `_gtFine_labelTrainIds.png`) and `instanceIds` beside them.
 * With `extra`, the images of `leftImg8bit/train_extra` and their `gtCoarse` labels join the split `train`.
 * @returns undefined where there is no `leftImg8bit` folder.
 */
export function cityscapesLayout(root: string, extra: boolean): Layout | undefined {
  const images = path.join(root, 'leftImg8bit');
  if (!isFolder(images)) return undefined;
  const folders = listNames(images, 'folders');
  if (extra && !folders.includes(extraSplit)) {
    throw new UserError(
      `${path.join(images, extraSplit)}: not found; the extra (coarse) set needs leftImg8bit/train_extra and gtCoarse/train_extra`,
    );
  }
  return {
    kind: 'cityscapes',
    classes: cityscapesClasses,
    splits: sortSplits(folders.filter((name) => name !== extraSplit || !folders.includes('train'))),
    list: (split) => {
      const fine = listSplit(root, split, split === extraSplit ? 'gtCoarse' : 'gtFine');
      return extra && split === 'train' ? [...fine, ...listSplit(root, extraSplit, 'gtCoarse')] : fine;
    },
    imagesOf: (split) => path.join(images, split, '<city>', `*${imageSuffix}`),
  };
}

function listSplit(root: string, split: string, truth: 'gtFine' | 'gtCoarse'): Sample[] {
  const samples: Sample[] = [];
  for (const city of listNames(path.join(root, 'leftImg8bit', split), 'folders')) {
    const folder = path.join(root, 'leftImg8bit', split, city);
    for (const name of listNames(folder, 'files')) {
      if (!name.endsWith(imageSuffix)) continue;
      const id = name.slice(0, -imageSuffix.length);
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
    ...(isFile(instances) ? { instances } : {}),
    ...(labels ? {} : { expectedLabels: `${raw} (or ..._labelTrainIds.png)` }),
  };
}
