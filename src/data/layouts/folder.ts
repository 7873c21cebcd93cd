import path from 'node:path';
import { UserError } from '../../errors.js';
import { readClasses } from '../classes.js';
import { isImageName, type Layout, type Sample, sortSplits, stem } from '../dataset.js';
import { isFile, isFolder, listNames } from '../files.js';
import { hashString } from '../rng.js';
import { labelsByStem } from './pairs.js';

/**
 * `images/ labels/ classes.json`. Where `images` has sub-folders with images, each is a split
 * (`images/train`, `labels/train`, …). Where it is flat, the images are ordered by a hash of their names and
 * the first tenth (rounded, at least one) is `val`, the rest `train`; one image alone is `train`.
 * @returns undefined where there is no `images` folder.
 * @throws UserError where `classes.json` is missing or wrong.
 */
export async function folderLayout(root: string): Promise<Layout | undefined> {
  const images = path.join(root, 'images');
  if (!isFolder(images)) return undefined;
  const file = path.join(root, 'classes.json');
  if (!isFile(file)) {
    throw new UserError(
      `${file}: not found; a folder data set needs images/, labels/ and classes.json like {"names": ["road", "car"]}`,
    );
  }
  const classes = await readClasses(file);
  const folders = listNames(images, 'folders').filter((name) =>
    listNames(path.join(images, name), 'files').some(isImageName),
  );
  const flat = listNames(images, 'files').filter(isImageName);
  if (folders.length > 0 && flat.length > 0) {
    throw new UserError(
      `${images}: has both images and split folders (${folders.join(', ')}); move the images into a split folder`,
    );
  }
  if (folders.length > 0) {
    return {
      kind: 'folder',
      classes,
      splits: sortSplits(folders),
      list: (split) =>
        pairUp(images, path.join(root, 'labels'), split, listNames(path.join(images, split), 'files')),
      imagesOf: (split) => path.join(images, split),
    };
  }
  const val = valOfFlat(flat);
  return {
    kind: 'folder',
    classes,
    splits: val.size > 0 ? ['train', 'val'] : ['train'],
    list: (split) =>
      pairUp(
        images,
        path.join(root, 'labels'),
        '',
        flat.filter((name) => val.has(name) === (split === 'val')),
      ),
    imagesOf: () => images,
  };
}

function pairUp(images: string, labels: string, split: string, names: string[]): Sample[] {
  const labelOf = labelsByStem(path.join(labels, split));
  return names.filter(isImageName).map((name) => ({
    id: stem(name),
    image: path.join(images, split, name),
    ...labelOf(stem(name)),
  }));
}

/** Which names of a flat folder are validation images. */
function valOfFlat(names: string[]): Set<string> {
  if (names.length < 2) return new Set();
  const order = names.map((name) => ({ name, hash: hashString(stem(name)) }));
  order.sort((a, b) => a.hash - b.hash || (a.name < b.name ? -1 : 1));
  return new Set(order.slice(0, Math.max(1, Math.round(names.length / 10))).map(({ name }) => name));
}
