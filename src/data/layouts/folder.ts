import path from 'node:path';
import { UserError } from '../../errors.js';
import { type ClassTable, plainTable } from '../classes.js';
import { isImageName, type LayoutKind, splitsOf, stem } from '../dataset.js';
import { isFile, isFolder, listNames, readBytes, walkFiles } from '../files.js';
import { valOfFlat } from './flat.js';
import { nameKey, namesOf, pairUp } from './pairs.js';

/** What people call the folder of labels. */
const labelFolders = ['labels', 'masks', 'annotations', 'labels_png'];

/**
 * `images/ labels/ classes.json`. Where `images` has sub-folders with images, each is a split
 * (`images/train`, `labels/train`, …), with all folders below it. Where it is flat, `valid.txt` names the validation
 * images, or a tenth by name is `val`. In place of `classes.json`, `codes.txt` has one name a line.
 */
export const folder: LayoutKind = {
  name: 'folder',
  looks: 'images/ with labels/ and classes.json',
  test: (root) => isFolder(path.join(root, 'images')),
  async open(root, { own }) {
    const images = path.join(root, 'images');
    const classes = own ?? (await readCodes(root));
    const labels = path.join(root, labelFolders.find((name) => isFolder(path.join(root, name))) ?? 'labels');
    const folders = listNames(images, 'folders').filter((name) => hasImages(path.join(images, name)));
    const flat = listNames(images, 'files').filter(isImageName);
    if (folders.length > 0 && flat.length > 0) {
      throw new UserError(
        `${images}: has both images and split folders (${folders.join(', ')}); move the images into a split folder`,
      );
    }
    if (folders.length > 0) {
      const splits = splitsOf(folders);
      // Labels may call their folders otherwise than images do.
      const labelSplits = splitsOf(listNames(labels, 'folders'));
      const imagesOf = (split: string) => path.join(images, splits.get(split) ?? split);
      const labelsOf = (split: string) =>
        path.join(labels, labelSplits.get(split) ?? splits.get(split) ?? split);
      return {
        classes,
        splits: [...splits.keys()],
        list: (split) => pairUp(imagesOf(split), labelsOf(split)),
        imagesOf,
        labelsOf,
      };
    }
    const list = path.join(root, 'valid.txt');
    const named = isFile(list) ? namesOf((await readBytes(list, 1 << 26)).toString('utf8')) : undefined;
    const val = named
      ? new Set(flat.map(stem).filter((id) => named.has(nameKey(id))))
      : valOfFlat(flat.map(stem));
    return {
      classes,
      splits: val.size > 0 ? ['train', 'val'] : ['train'],
      list: (split) =>
        pairUp(images, labels, { only: (id) => val.has(id) === (split === 'val'), deep: false }),
      imagesOf: () => images,
      labelsOf: () => labels,
    };
  },
};

function hasImages(dir: string): boolean {
  for (const file of walkFiles(dir)) if (isImageName(file)) return true;
  return false;
}

async function readCodes(root: string): Promise<ClassTable> {
  const file = path.join(root, 'codes.txt');
  if (!isFile(file)) {
    throw new UserError(
      `${path.join(root, 'classes.json')}: not found; a folder data set needs images/, labels/ and classes.json like {"names": ["road", "car"]}`,
    );
  }
  const lines = (await readBytes(file, 1 << 20))
    .toString('utf8')
    .split(/\r?\n/)
    .map((line) => line.trim());
  const names = lines.filter(Boolean);
  if (names.length === 0 || names.length > 255 || new Set(names).size < names.length) {
    throw new UserError(
      `${file}: has ${names.length} classes; expected 1 to 255 different names, one a line`,
    );
  }
  return plainTable('folder', names);
}
