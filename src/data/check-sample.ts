import { UserError } from '../errors.js';
import { type ClassTable, ignoreId, trainIdTable } from './classes.js';
import type { Sample } from './dataset.js';
import { mapInPlace } from './datasets.js';
import { type LabelImage, type RgbImage, readImage, readLabels, size } from './image.js';

/** Look at one sample's files. */
export interface CheckTask {
  kind: 'check';
  sample: Sample;
  classes: ClassTable;
}

/** Something wrong or odd about a file. */
export interface Problem {
  file: string;
  kind:
    | 'undecodable'
    | 'size-mismatch'
    | 'missing-label'
    | 'unknown-value'
    | 'all-ignored'
    | 'mixed-encoding'
    | 'mixed-sizes'
    | 'empty';
  /** One line that names the file. */
  message: string;
  /** True where training on this split would fail. */
  fatal: boolean;
}

/** What was found in one sample. */
export interface SampleFacts {
  id: string;
  height?: number;
  width?: number;
  /** Pixels per train id; the last entry counts ignored pixels. */
  pixels: number[];
  problems: Problem[];
}

/** Decodes both files of a sample and collects every problem instead of throwing. */
export async function checkSample({ sample, classes }: CheckTask): Promise<SampleFacts> {
  const facts: SampleFacts = {
    id: sample.id,
    pixels: new Array(classes.names.length + 1).fill(0),
    problems: [],
  };
  const image = await attempt(facts, sample.image, () => readImage(sample.image));
  if (image) {
    facts.height = image.height;
    facts.width = image.width;
  }
  const file = sample.labels;
  if (!file) return facts;
  const labels = await attempt(facts, file, () => readLabels(file, classes.colours));
  if (!labels) return facts;
  if (image) compareSizes(facts, file, image, labels);
  count(facts, file, labels, sample, classes);
  return facts;
}

async function attempt<T>(facts: SampleFacts, file: string, read: () => Promise<T>): Promise<T | undefined> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    facts.problems.push({ file, kind: 'undecodable', message: error.message, fatal: true });
    return undefined;
  }
}

function compareSizes(facts: SampleFacts, file: string, image: RgbImage, labels: LabelImage): void {
  if (image.width === labels.width && image.height === labels.height) return;
  facts.problems.push({
    file,
    kind: 'size-mismatch',
    message: `${file}: labels are ${size(labels)} but the image is ${size(image)}`,
    fatal: true,
  });
}

function count(
  facts: SampleFacts,
  file: string,
  labels: LabelImage & { colourCoded: boolean },
  sample: Sample,
  classes: ClassTable,
): void {
  const raw = !labels.colourCoded && sample.encoding === 'raw';
  if (raw && classes.name === 'cityscapes' && looksLikeTrainIds(labels.data)) {
    facts.problems.push({
      file,
      kind: 'mixed-encoding',
      message: `${file}: is named labelIds but holds train ids (values 0 to 18 and 255); name it ..._labelTrainIds.png`,
      fatal: false,
    });
  }
  const table = raw ? classes : trainIdTable(classes);
  for (const { value, pixels } of mapInPlace(labels.data, table.mapping, table.known)) {
    facts.problems.push({
      file,
      kind: 'unknown-value',
      message: `${file}: label value ${value} (${pixels} pixels) is neither a class nor ignored`,
      fatal: true,
    });
  }
  const seen = new Float64Array(256);
  for (const id of labels.data) seen[id]++;
  for (let c = 0; c < classes.names.length; c++) facts.pixels[c] = seen[c];
  facts.pixels[classes.names.length] = seen[ignoreId];
  if (seen[ignoreId] === labels.data.length) {
    facts.problems.push({
      file,
      kind: 'all-ignored',
      message: `${file}: every pixel is ignored`,
      fatal: false,
    });
  }
}

/** Official labelIds never hold 255 and nearly always something from 19 on (light, vegetation, sky, car). */
function looksLikeTrainIds(data: Uint8Array): boolean {
  let ignored = false;
  for (const value of data) {
    if (value === 255) ignored = true;
    else if (value > 18) return false;
  }
  return ignored;
}
