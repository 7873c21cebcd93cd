import type { ClassTable } from './classes.js';

/** One image of a data set and the files that belong to it. */
export interface Sample {
  /** Unique in its data set; the image's name without folder-independent suffixes. */
  id: string;
  /** Path of the image. */
  image: string;
  /** Path of the label file; absent in splits without labels. */
  labels?: string;
  /** Path of the instance numbers, where the data set has them. */
  instances?: string;
  /** How the label file is encoded: `raw` values go through the class table, `train` ids are used as they are. */
  encoding: 'raw' | 'train';
  /** What was looked for where `labels` is absent. */
  expectedLabels?: string;
}

/** What a layout gives: everything but the checks. */
export interface Layout {
  /** `cityscapes`, `camvid` or `folder`. */
  kind: string;
  classes: ClassTable;
  /** In the order train, val, test, then others by name. */
  splits: string[];
  /** Samples of a split sorted by name; a sample whose label file is missing has no `labels`. */
  list(split: string): Sample[];
  /** Where the images of a split are looked for, as a path or pattern for messages. */
  imagesOf(split: string): string;
}

/** An opened data set. */
export interface Dataset {
  /** The layout's name: `cityscapes`, `camvid` or `folder`. */
  readonly name: string;
  readonly root: string;
  readonly classes: ClassTable;
  readonly splits: readonly string[];
  /**
   * The samples of a split, sorted by name.
   * @param options.lenient list samples whose label file is missing instead of throwing.
   * @throws UserError for an unknown or empty split, or where some images have labels and others have none.
   */
  samples(split: string, options?: { lenient?: boolean }): Sample[];
  /** False where the split has no label files, or (test splits) labels that are ignored everywhere. */
  hasLabels(split: string): Promise<boolean>;
}

/** File endings that are taken for images. */
const imageEnding = /\.(png|jpe?g|webp|tiff?|bmp|gif|avif)$/i;

/** True where the name looks like an image's. */
export function isImageName(name: string): boolean {
  return imageEnding.test(name);
}

/** The name without its last ending. */
export function stem(name: string): string {
  return name.replace(/\.[^.]*$/, '');
}

/** train, val, test first, the others after them by name. */
export function sortSplits(splits: Iterable<string>): string[] {
  const first = ['train', 'val', 'test'];
  const rank = (split: string) => (first.includes(split) ? first.indexOf(split) : first.length);
  return [...new Set(splits)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
