import path from 'node:path';
import { UserError } from '../errors.js';
import { type ClassTable, ignoreId, trainIdTable } from './classes.js';
import type { Dataset, Sample } from './dataset.js';
import { upright } from './exif.js';
import { type LabelImage, type Picture, type RgbImage, readImage, size } from './image.js';
import { type RawLabels, readLabels } from './label-image.js';

/** Something wrong or odd about a data set or one of its files. */
export interface Problem {
  /** A file, or the data set's folder. */
  file: string;
  kind:
    | 'undecodable'
    | 'size-mismatch'
    | 'missing-label'
    | 'no-labels'
    | 'unknown-value'
    | 'contradiction'
    | 'reading'
    | 'all-ignored'
    | 'absent-class'
    | 'mixed-encoding'
    | 'mixed-sizes'
    | 'small-image'
    | 'few-images'
    | 'few-classes'
    | 'split';
  /** One line that names the file. */
  message: string;
  /** True where training or evaluation on it would fail. */
  fatal: boolean;
}

/** A sample as far as it can be read, and all that is wrong with it. */
export interface ReadSample {
  image?: Picture;
  /** Train ids. */
  labels?: LabelImage;
  /** How the label file was read, where it could be. */
  reading?: RawLabels['reading'];
  /** Labels drawn on the stored pixels of a photo were turned with it. */
  turned?: boolean;
  /** Pixels of each value of the label file, before they became train ids. */
  values?: Uint32Array;
  problems: Problem[];
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
): Promise<{ image: Picture; labels: LabelImage }> {
  if (!sample.labels) throw missingLabels(sample);
  const { image, labels, problems } = await inspectSample(dataset.classes, sample, into);
  const wrong = problems.find(({ fatal }) => fatal);
  if (wrong) throw new UserError(wrong.message);
  return { image: image!, labels: labels! };
}

/**
 * Decodes only the labels of a sample, as train ids.
 * @throws UserError as {@link readSample}.
 */
export async function readTrainIds(dataset: Pick<Dataset, 'classes'>, sample: Sample): Promise<LabelImage> {
  if (!sample.labels) throw missingLabels(sample);
  const raw = await readRaw(dataset.classes, sample.labels);
  const found: ReadSample = { problems: [] };
  toTrainIds(found, dataset.classes, sample, sample.labels, raw);
  const wrong = found.problems.find(({ fatal }) => fatal);
  if (wrong) throw new UserError(wrong.message);
  return { width: raw.width, height: raw.height, data: raw.data };
}

/** Decodes both files of a sample and collects every problem instead of throwing. */
export async function inspectSample(
  classes: ClassTable,
  sample: Sample,
  into?: { image: RgbImage; labels: LabelImage },
): Promise<ReadSample> {
  const found: ReadSample = { problems: [] };
  found.image = await attempt(found, sample.image, () => readImage(sample.image, into?.image));
  const file = sample.labels;
  if (!file) return found;
  const raw = await attempt(found, file, () => readRaw(classes, file, into?.labels));
  if (!raw) return found;
  const labels = found.image ? fitted(found, classes, sample, file, found.image, raw) : raw;
  toTrainIds(found, classes, sample, file, labels);
  found.reading = raw.reading;
  found.labels = { width: labels.width, height: labels.height, data: labels.data };
  return found;
}

const readRaw = (classes: ClassTable, file: string, into?: LabelImage) =>
  readLabels(file, {
    colours: classes.colours,
    ignored: classes.ignoredColours,
    mapping: classes.mapping,
    palette: classes.palette,
    into,
  });

async function attempt<T>(found: ReadSample, file: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    found.problems.push({ file, kind: 'undecodable', message: error.message, fatal: true });
    return undefined;
  }
}

/** Compares sizes; labels that were drawn on a photo's stored pixels are turned as the photo is. */
function fitted(
  found: ReadSample,
  { orientation: chosen }: ClassTable,
  sample: Sample,
  file: string,
  image: Picture,
  labels: RawLabels,
): RawLabels {
  const { orientation = 1 } = image;
  const same = (a: { height: number; width: number }) => a.height === image.height && a.width === image.width;
  const turned =
    orientation > 1 && chosen !== 'upright' ? { ...labels, ...upright(labels, orientation) } : labels;
  const stored = orientation > 1 && same(turned) && (chosen === 'stored' || !same(labels));
  const photo = path.basename(sample.image);
  if (stored) {
    found.turned = true;
    return turned;
  }
  if (!same(labels)) {
    const by = orientation > 1 ? ` after its EXIF orientation (${orientation})` : '';
    found.problems.push({
      file,
      kind: 'size-mismatch',
      message: `${file}: labels are ${size(labels)} but the image ${photo} is ${size(image)}${by}; both must have the same size`,
      fatal: true,
    });
  } else if (orientation > 1 && !chosen && same(turned)) {
    found.problems.push({
      file,
      kind: 'reading',
      message: `${file}: the photo ${photo} has EXIF orientation ${orientation}, and the labels fit it turned or not; read as drawn on the upright photo, otherwise say "orientation": "stored" in classes.json`,
      fatal: false,
    });
  }
  return labels;
}

/** Replaces raw values by train ids, in place. */
function toTrainIds(
  found: ReadSample,
  classes: ClassTable,
  sample: Sample,
  file: string,
  labels: RawLabels,
): void {
  const raw = labels.reading === 'values' && sample.encoding === 'raw';
  const table = raw ? classes : trainIdTable(classes);
  const { values, unknown } = mapInPlace(labels.data, table.mapping, table.known);
  found.values = values;
  if (raw && sample.named === 'labelIds' && holdsTrainIds(values, classes)) {
    found.problems.push({
      file,
      kind: 'contradiction',
      message: `${file}: is named labelIds but holds train ids (values 0 to 18 and 255); name it ..._labelTrainIds.png`,
      fatal: true,
    });
  } else if (unknown.length > 0) {
    const list = unknown.slice(0, 3).map(({ value, pixels }) => `${value} (${pixels} pixels)`);
    const more = unknown.length > 3 ? ` and ${unknown.length - 3} more` : '';
    found.problems.push({
      file,
      kind: 'unknown-value',
      message:
        `${file}: label value ${list.join(', ')}${more} is neither a class (${classes.names.length} classes) nor ignored; ` +
        'fix the file, or add the value to "mapping" or "ignore" in classes.json',
      fatal: true,
    });
  }
}

/** A value in a label file that is neither a class nor ignored. */
export interface UnknownValue {
  value: number;
  pixels: number;
}

/** Replaces raw values by train ids; returns how many there were and those the table does not know, most first. */
export function mapInPlace(data: Uint8Array, mapping: Uint8Array, known: Uint8Array) {
  const values = new Uint32Array(256);
  for (let i = 0; i < data.length; i++) {
    const value = data[i];
    values[value]++;
    data[i] = mapping[value];
  }
  const unknown: UnknownValue[] = [];
  for (let value = 0; value < 256; value++) {
    if (values[value] > 0 && !known[value]) unknown.push({ value, pixels: values[value] });
  }
  unknown.sort((a, b) => b.pixels - a.pixels);
  return { values, unknown };
}

/**
 * True where values of labelIds files look like train ids: nothing above 18 but 255, which labelIds never hold, and
 * most pixels would be ignored as labelIds (0 to 6 are no classes).
 * @param sure ask for a pixel of 255; without, for many files together.
 */
export function holdsTrainIds(values: ArrayLike<number>, { mapping }: ClassTable, sure = true): boolean {
  let total = 0;
  let lost = 0;
  for (let value = 0; value < 255; value++) {
    if (values[value] > 0 && value > 18) return false;
    total += values[value];
    if (mapping[value] === ignoreId) lost += values[value];
  }
  return total > 0 && 2 * lost > total && (!sure || values[255] > 0);
}

function missingLabels(sample: Sample): UserError {
  return new UserError(
    `${sample.image}: has no labels; expected ${sample.expectedLabels ?? 'a label file beside it'}`,
  );
}
