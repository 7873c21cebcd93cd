import path from 'node:path';
import { UserError } from '../errors.js';
import { trainIdTable } from './classes.js';
import type { Dataset, Layout, Sample } from './dataset.js';
import { isFolder, listNames } from './files.js';
import { type LabelImage, type RgbImage, readImage, readLabels, size } from './image.js';
import { camvidLayout } from './layouts/camvid.js';
import { cityscapesLayout } from './layouts/cityscapes.js';
import { folderLayout } from './layouts/folder.js';

export type { Dataset, Sample } from './dataset.js';

/** Options of {@link openDataset}. */
export interface OpenOptions {
  /** Check at once that this split exists and has images. */
  split?: string;
  /** Cityscapes: add `train_extra` with its coarse labels to the split `train`. */
  extra?: boolean;
}

/**
 * Opens a data set folder, detecting its layout: Cityscapes (`leftImg8bit/`), CamVid (`train/ trainannot/`) or
 * a plain folder (`images/ labels/ classes.json`).
 * @throws UserError where the folder is missing, has no known layout, or lacks the asked split.
 */
export async function openDataset(dir: string, options: OpenOptions = {}): Promise<Dataset> {
  const root = path.normalize(dir);
  if (!isFolder(root))
    throw new UserError(`${dir}: no such data set folder; give the folder that holds the data`);
  const layout =
    cityscapesLayout(root, options.extra ?? false) ?? camvidLayout(root) ?? (await folderLayout(root));
  if (!layout) {
    const found = listNames(root, 'folders').slice(0, 6).join(', ') || 'no folders';
    throw new UserError(
      `${dir}: no known data set layout; looked for leftImg8bit/ (Cityscapes), train/ with trainannot/ (CamVid) ` +
        `or images/ with classes.json, found ${found}`,
    );
  }
  if (options.extra && layout.kind !== 'cityscapes') {
    throw new UserError(
      `${dir}: the extra (coarse) set exists only for Cityscapes, this is a ${layout.kind} layout`,
    );
  }
  const dataset = new OpenedDataset(root, layout);
  if (options.split !== undefined) dataset.samples(options.split, { lenient: true });
  return dataset;
}

class OpenedDataset implements Dataset {
  private readonly lists = new Map<string, Sample[]>();
  private readonly labelled = new Map<string, Promise<boolean>>();

  constructor(
    readonly root: string,
    private readonly layout: Layout,
  ) {}

  get name() {
    return this.layout.kind;
  }

  get classes() {
    return this.layout.classes;
  }

  get splits() {
    return this.layout.splits;
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

/**
 * Decodes one sample; labels come as train ids (255 = ignore).
 * @throws UserError naming the file: undecodable, no labels, another size than the image, or values that are
 * neither a class nor ignored (which value, how many pixels).
 */
export async function readSample(
  dataset: Pick<Dataset, 'classes'>,
  sample: Sample,
  into?: { image: RgbImage; labels: LabelImage },
): Promise<{ image: RgbImage; labels: LabelImage }> {
  if (!sample.labels) throw missingLabels(sample);
  const image = await readImage(sample.image, into?.image);
  const labels = await readTrainIds(dataset, sample, into?.labels);
  if (image.width !== labels.width || image.height !== labels.height) {
    throw new UserError(
      `${sample.labels}: labels are ${size(labels)} but the image ${path.basename(sample.image)} is ${size(image)}; ` +
        'both must have the same size',
    );
  }
  return { image, labels };
}

/**
 * Decodes only the labels of a sample, as train ids.
 * @throws UserError as {@link readSample}.
 */
export async function readTrainIds(
  dataset: Pick<Dataset, 'classes'>,
  sample: Sample,
  into?: LabelImage,
): Promise<LabelImage> {
  if (!sample.labels) throw missingLabels(sample);
  const raw = await readLabels(sample.labels, dataset.classes.colours, into);
  const table =
    raw.colourCoded || sample.encoding === 'train' ? trainIdTable(dataset.classes) : dataset.classes;
  const unknown = mapInPlace(raw.data, table.mapping, table.known);
  if (unknown.length > 0) throw unknownValues(sample.labels, unknown, table.names.length);
  return { width: raw.width, height: raw.height, data: raw.data };
}

/** A value in a label file that is neither a class nor ignored. */
export interface UnknownValue {
  value: number;
  pixels: number;
}

/** Replaces raw values by train ids; returns the values the table does not know, most frequent first. */
export function mapInPlace(data: Uint8Array, mapping: Uint8Array, known: Uint8Array): UnknownValue[] {
  const seen = new Uint32Array(256);
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    seen[value]++;
    data[i] = mapping[value];
  }
  const unknown: UnknownValue[] = [];
  for (let value = 0; value < 256; value++) {
    if (seen[value] > 0 && !known[value]) unknown.push({ value, pixels: seen[value] });
  }
  return unknown.sort((a, b) => b.pixels - a.pixels);
}

function unknownValues(file: string, unknown: UnknownValue[], classes: number): UserError {
  const list = unknown
    .slice(0, 3)
    .map(({ value, pixels }) => `${value} (${pixels} pixels)`)
    .join(', ');
  const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
  return new UserError(
    `${file}: label value ${list}${more} is neither a class (${classes} classes) nor ignored; ` +
      'fix the file, or add the value to "mapping" or "ignore" in classes.json',
  );
}

function missingLabels(sample: Sample): UserError {
  return new UserError(
    `${sample.image}: has no labels; expected ${sample.expectedLabels ?? 'a label file beside it'}`,
  );
}
