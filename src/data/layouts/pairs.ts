import path from 'node:path';
import { isImageName, type Layout, type Sample, splitsOf, stem } from '../dataset.js';
import { listNames, walkFiles } from '../files.js';

/** What names of label files may have after the name of their image, and whether they then hold train ids. */
const labelSuffixes: readonly (readonly [suffix: string, encoding: Sample['encoding']])[] = [
  ['', 'raw'],
  ['_train_id', 'train'],
  ['_labelTrainIds', 'train'],
  ['_gtFine_labelTrainIds', 'train'],
  ['_mask', 'raw'],
  ['_label', 'raw'],
  ['_labels', 'raw'],
  ['_P', 'raw'],
  ['_L', 'raw'],
  ['_gt', 'raw'],
  ['_seg', 'raw'],
  ['_segmentation', 'raw'],
  ['_labelIds', 'raw'],
  ['_gtFine_labelIds', 'raw'],
  ['_labellevel3Ids', 'raw'],
  ['_gtFine_labellevel3Ids', 'raw'],
];

/** What names of images may have that their labels lack. */
const imageSuffix = /_(leftImg8bit|image|img|rgb|sat)$/;

/** How {@link pairUp} finds files. */
export interface Pairing {
  /** Only these images, by their path without ending. */
  readonly only?: (id: string) => boolean;
  /** Only label files with this after the image's name; default: any of the usual. */
  readonly suffix?: string;
  /** Instead of what the suffix says. */
  readonly encoding?: Sample['encoding'];
  /** Whether a file in the folder of images is one; default: by its ending. */
  readonly isImage?: (name: string) => boolean;
  /** Look into folders below; default true. */
  readonly deep?: boolean;
}

/** A data set whose splits are folders of the same names in a folder of images and in one of labels. */
export function splitFolders(
  root: string,
  images: string,
  labels: string,
  pairing?: Pairing,
): Omit<Layout, 'classes'> {
  const splits = splitsOf(listNames(path.join(root, images), 'folders'));
  const at = (kind: string, split: string) => path.join(root, kind, splits.get(split) ?? split);
  return {
    splits: [...splits.keys()],
    list: (split) => pairUp(at(images, split), at(labels, split), pairing),
    imagesOf: (split) => at(images, split),
    labelsOf: (split) => at(labels, split),
  };
}

/** The same name however its accents are written. */
export const nameKey = (name: string): string => name.normalize('NFC').replaceAll('\\', '/');

/**
 * The images in and below a folder, each with the label file of the same relative path: without ending, in any Unicode
 * form, with one of the usual suffixes (`a.jpg` with `a.png` or `a_mask.png`). Both folders are listed once.
 */
export function pairUp(images: string, labels: string, pairing: Pairing = {}): Sample[] {
  const { only, suffix, encoding, isImage = isImageName, deep = true } = pairing;
  const suffixes = suffix === undefined ? labelSuffixes : ([[suffix, 'raw']] as const);
  const enter = () => deep;
  const files = new Map<string, string>();
  for (const file of walkFiles(labels, enter)) {
    if (!isImageName(file)) continue;
    // A PNG wins over another file of the same name, since only PNG labels can be read.
    const name = nameKey(stem(file));
    if (!files.has(name) || file.toLowerCase().endsWith('.png')) files.set(name, path.join(labels, file));
  }
  const samples: Sample[] = [];
  for (const file of walkFiles(images, enter)) {
    const id = stem(file);
    if (!isImage(file) || (only && !only(id))) continue;
    samples.push({
      id,
      image: path.join(images, file),
      ...labelsOf(nameKey(id), files, labels, suffixes, encoding),
    });
  }
  return samples;
}

function labelsOf(
  name: string,
  files: ReadonlyMap<string, string>,
  folder: string,
  suffixes: typeof labelSuffixes,
  encoding?: Sample['encoding'],
): Pick<Sample, 'labels' | 'encoding' | 'expectedLabels'> {
  for (const base of new Set([name, name.replace(imageSuffix, '')])) {
    for (const [suffix, holds] of suffixes) {
      const labels = files.get(base + suffix);
      if (labels) return { labels, encoding: encoding ?? holds };
    }
  }
  return { encoding: encoding ?? 'raw', expectedLabels: path.join(folder, `${name}${suffixes[0][0]}.png`) };
}

/** The names that a list file has, one a line, without ending and in one Unicode form. */
export function namesOf(text: string): Set<string> {
  const lines = text.split(/\r?\n/).map((line) => line.trim().split(/[\s,]/)[0]);
  return new Set(lines.filter(Boolean).map((line) => nameKey(isImageName(line) ? stem(line) : line)));
}
