import { type ClassTable, ignoreId } from './classes.js';
import type { Sample } from './dataset.js';
import { inspectSample, type Problem, type ReadSample } from './read-sample.js';

/** Look at one sample's files. */
export interface CheckTask {
  kind: 'check';
  sample: Sample;
  classes: ClassTable;
}

/** What was found in one sample. */
export interface SampleFacts {
  id: string;
  height?: number;
  width?: number;
  /** Pixels per train id; the last entry counts ignored pixels. */
  pixels: number[];
  /** Pixels of each value of the label file, where it has values. */
  values?: Uint32Array;
  reading?: ReadSample['reading'];
  turned?: boolean;
  problems: Problem[];
}

/** Decodes both files of a sample and collects what can be said about it, without its pixels. */
export async function checkSample({ sample, classes }: CheckTask): Promise<SampleFacts> {
  const { image, labels, values, reading, turned, problems } = await inspectSample(classes, sample);
  const pixels = new Array<number>(classes.names.length + 1).fill(0);
  if (labels) {
    const seen = new Uint32Array(256);
    for (const id of labels.data) seen[id]++;
    for (let c = 0; c < classes.names.length; c++) pixels[c] = seen[c];
    pixels[classes.names.length] = seen[ignoreId];
    if (seen[ignoreId] === labels.data.length && !problems.some(({ fatal }) => fatal)) {
      const file = sample.labels!;
      problems.push({ file, kind: 'all-ignored', message: `${file}: every pixel is ignored`, fatal: false });
    }
  }
  return {
    id: sample.id,
    height: image?.height,
    width: image?.width,
    pixels,
    values: reading === 'values' ? values : undefined,
    reading,
    turned,
    problems,
  };
}
