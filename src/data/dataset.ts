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
  /** What its name claims that it holds, where that can be compared with what it does hold. */
  named?: 'labelIds';
  /** What was looked for where `labels` is absent. */
  expectedLabels?: string;
}

/** A way to lay out a data set in folders; they are tried in the order of `layouts/index.ts`. */
export interface LayoutKind {
  readonly name: string;
  /** How its folders are recognised, for the message where no layout fits: `leftImg8bit/ with gtFine/`. */
  readonly looks: string;
  /** Whether it has a coarse set besides, which can be added. */
  readonly extra?: boolean;
  /** Whether a folder is laid out like this; looks at names only. */
  test(root: string): boolean;
  /**
   * @param own the classes of a `classes.json` in the folder, which win over the layout's own table.
   * @throws UserError where something that the layout needs is missing or wrong.
   */
  open(
    root: string,
    options: { readonly extra: boolean; readonly own?: ClassTable },
  ): Layout | Promise<Layout>;
}

/** What a layout gives: everything but the checks. */
export interface Layout {
  classes: ClassTable;
  /** In the order train, val, test, then others by name. */
  splits: string[];
  /** Samples of a split sorted by name; a sample whose label file is missing has no `labels`. */
  list(split: string): Sample[];
  /** Where the images of a split are looked for, as a path or pattern for messages. */
  imagesOf(split: string): string;
  /** The folder of a split's labels. */
  labelsOf(split: string): string;
}

/** An opened data set. */
export interface Dataset {
  /** The layout's name, such as `cityscapes` or `folder`. */
  readonly name: string;
  readonly root: string;
  readonly classes: ClassTable;
  readonly splits: readonly string[];
  /** Where the labels of a split are looked for. */
  labelsOf(split: string): string;
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

/** What other people call the usual splits. */
const aliases: Readonly<Record<string, string>> = {
  training: 'train',
  validation: 'val',
  valid: 'val',
  dev: 'val',
  testing: 'test',
};

/** The split of each folder: `training` is train, `valid` is val, unless a folder has that name already. */
export function splitsOf(folders: readonly string[]): Map<string, string> {
  const usual = (name: string) => (Object.hasOwn(aliases, name) ? aliases[name] : name);
  const taken = new Map<string, string>();
  for (const name of folders) {
    const split = usual(name);
    taken.set(split !== name && (folders.includes(split) || taken.has(split)) ? name : split, name);
  }
  return new Map(sortSplits(taken.keys()).map((split) => [split, taken.get(split)!]));
}

/** train, val, test first, the others after them by name. */
export function sortSplits(splits: Iterable<string>): string[] {
  const first = ['train', 'val', 'test'];
  const rank = (split: string) => (first.includes(split) ? first.indexOf(split) : first.length);
  return [...new Set(splits)].sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}
