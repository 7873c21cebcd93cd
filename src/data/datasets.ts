import path from 'node:path';
import { UserError } from '../errors.js';
import { readClasses } from './classes.js';
import type { Dataset, Layout, Sample } from './dataset.js';
import { isFile, isFolder, listNames, look } from './files.js';
import { layouts } from './layouts/index.js';
import { readTrainIds } from './read-sample.js';

export type { Dataset, Sample } from './dataset.js';

/** Options of {@link openDataset}. */
export interface OpenOptions {
  /** Check at once that this split exists and has images. */
  split?: string;
  /** Cityscapes: add `train_extra` with its coarse labels to the split `train`. */
  extra?: boolean;
}

/**
 * Opens a data set folder in the first layout that fits (see `layouts/`). A `classes.json` in it wins over the layout's
 * own classes.
 * @throws UserError where the folder is missing, has no known layout, or lacks the asked split.
 */
export async function openDataset(dir: string, options: OpenOptions = {}): Promise<Dataset> {
  const root = path.normalize(dir);
  await look(root);
  if (!isFolder(root))
    throw new UserError(`${dir}: no such data set folder; give the folder that holds the data`);
  const kind = layouts.find(({ test }) => test(root));
  if (!kind) {
    const found = listNames(root, 'folders').slice(0, 6).join(', ') || 'no folders';
    const known = layouts.map(({ looks, name }) => `${looks} (${name})`).join('; ');
    throw new UserError(`${dir}: no known data set layout; found ${found}; looked for ${known}`);
  }
  const extra = options.extra ?? false;
  if (extra && !kind.extra) {
    throw new UserError(
      `${dir}: the extra (coarse) set exists only for Cityscapes, this is a ${kind.name} layout`,
    );
  }
  const file = path.join(root, 'classes.json');
  const own = isFile(file) ? await readClasses(file) : undefined;
  const dataset = new OpenedDataset(root, kind.name, await kind.open(root, { extra, own }));
  if (options.split !== undefined) dataset.samples(options.split, { lenient: true });
  return dataset;
}

class OpenedDataset implements Dataset {
  private readonly lists = new Map<string, Sample[]>();
  private readonly labelled = new Map<string, Promise<boolean>>();

  constructor(
    readonly root: string,
    readonly name: string,
    private readonly layout: Layout,
  ) {}

  get classes() {
    return this.layout.classes;
  }

  get splits() {
    return this.layout.splits;
  }

  labelsOf(split: string) {
    return this.layout.labelsOf(split);
  }

  samples(split: string, options: { lenient?: boolean } = {}): Sample[] {
    const list = this.list(split);
    if (options.lenient) return list;
    const missing = list.filter((sample) => !sample.labels);
    if (missing.length > 0 && missing.length < list.length) {
      throw new UserError(
        `${missing[0].image}: has no labels, expected ${missing[0].expectedLabels} ` +
          `(${missing.length} of ${list.length} images of split '${split}' lack labels)`,
      );
    }
    return list;
  }

  hasLabels(split: string): Promise<boolean> {
    let answer = this.labelled.get(split);
    if (!answer) {
      answer = this.findLabels(split);
      this.labelled.set(split, answer);
    }
    return answer;
  }

  private list(split: string): Sample[] {
    let list = this.lists.get(split);
    if (list) return list;
    if (!this.layout.splits.includes(split)) {
      throw new UserError(
        `${this.root}: has no split '${split}'; it has ${this.layout.splits.join(', ') || 'no splits at all'}`,
      );
    }
    list = this.layout.list(split);
    if (list.length === 0) {
      throw new UserError(
        `${this.root}: split '${split}' is empty; looked for images at ${this.layout.imagesOf(split)}`,
      );
    }
    this.lists.set(split, list);
    return list;
  }

  private async findLabels(split: string): Promise<boolean> {
    const labelled = this.list(split).filter((sample) => sample.labels);
    if (labelled.length === 0) return false;
    // Published test splits carry label files that ignore every pixel; a few tell.
    if (split !== 'test') return true;
    for (const sample of labelled.slice(0, 3)) {
      if ((await readTrainIds(this, sample)).data.some((id) => id !== this.classes.ignore)) return true;
    }
    return false;
  }
}
