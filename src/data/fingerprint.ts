import { createHash } from 'node:crypto';
import type { Dataset } from './dataset.js';
import { readBytes, stampOf } from './files.js';

/** Samples whose files are read, spread over the split. */
const read = 16;

/**
 * Sixteen hexadecimal digits that tell one set of training images from another: names and sizes of all files of a split,
 * the bytes of a few, and what label values mean. The same wherever the folder lies.
 * @throws UserError for a file that is gone.
 */
export async function fingerprint(dataset: Dataset, split: string): Promise<string> {
  const hash = createHash('sha256');
  const { names, mapping } = dataset.classes;
  hash.update(JSON.stringify(names)).update(mapping);
  const samples = dataset.samples(split, { lenient: true });
  const step = Math.ceil(samples.length / read);
  for (const [i, { id, image, labels }] of samples.entries()) {
    hash.update(JSON.stringify(id.normalize('NFC')));
    for (const file of labels ? [image, labels] : [image]) {
      if (i % step === 0) hash.update(await readBytes(file));
      else hash.update(` ${sizeOf(file)}`);
    }
  }
  return hash.digest('hex').slice(0, 16);
}

/** A file that is gone is told by its reader. */
function sizeOf(file: string): number {
  try {
    return stampOf(file).bytes;
  } catch {
    return -1;
  }
}
