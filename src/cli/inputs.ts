import path from 'node:path';
import { isImageName, stem } from '../data/dataset.js';
import { openDataset } from '../data/datasets.js';
import { isFile, isFolder, walkFiles } from '../data/files.js';
import { readPngText } from '../data/png-text.js';
import { UserError } from '../errors.js';

/** An image to predict, and the output name it gets: its path below the folder it was found in, without ending. */
export interface Input {
  readonly file: string;
  readonly name: string;
}

/** An image that could not be predicted, or an argument that names none. */
export interface Failure {
  readonly image: string;
  readonly error: string;
}

/** What marks a PNG as written by `vnet predict`, as the `Software` text of the file; a fingerprint follows. */
export const outputMark = 'vnet-segmentation predict';

/** What kinds of PNG a prediction leaves, as the ends of their names. */
export const outputKinds = ['labels', 'colour', 'overlay'] as const;
const outputName = new RegExp(`_(${outputKinds.join('|')})\\.png$`);

/** The pictures given, or those of a data set's split; what names no picture is a failure. */
export async function findInputs(
  given: readonly string[],
  { data, split, out }: { readonly data?: string; readonly split: string; readonly out: string },
): Promise<{ inputs: Input[]; failures: Failure[] }> {
  if (data !== undefined) {
    if (given.length > 0) throw new UserError(`${given[0]}: give either pictures or --data, not both`, 2);
    const dataset = await openDataset(data, { split });
    const samples = dataset.samples(split, { lenient: true });
    return { inputs: samples.map(({ image, id }) => ({ file: image, name: id })), failures: [] };
  }
  if (given.length === 0) {
    throw new UserError('give pictures or folders to predict, or a data set with --data', 2);
  }
  const inputs: Input[] = [];
  const failures: Failure[] = [];
  for (const each of given) {
    if (isFile(each)) inputs.push({ file: each, name: stem(path.basename(each)) });
    else if (!isFolder(each)) failures.push({ image: each, error: 'no such picture or folder' });
    else {
      const found = await picturesBelow(each, out);
      if (found.length === 0) {
        const error = 'holds no picture (PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF)';
        failures.push({ image: each, error });
      }
      for (const file of found) inputs.push({ file: path.join(each, file), name: stem(file) });
    }
  }
  return { inputs, failures };
}

/** Pictures below a folder, without what `vnet predict` wrote there: its output folder, and files with its mark. */
async function picturesBelow(folder: string, out: string): Promise<string[]> {
  const results = path.resolve(out);
  const found: string[] = [];
  for (const file of walkFiles(folder, (below) => path.resolve(folder, below) !== results)) {
    if (!isImageName(file)) continue;
    const whole = path.join(folder, file);
    if (outputName.test(file) && (await readPngText(whole, 'Software'))?.startsWith(outputMark)) continue;
    found.push(file);
  }
  return found;
}
