import { createHash } from 'node:crypto';
import { promises as fs } from 'node:fs';
import type { Dataset } from './dataset.js';

/**
 * Sixteen hexadecimal digits that tell one set of training images from another: names and sizes of the files of a split,
 * and what its label values mean. The same wherever the folder lies; pixels are not read.
 */
export async function fingerprint(dataset: Dataset, split: string): Promise<string> {
  const hash = createHash('sha256');
  const { names, mapping } = dataset.classes;
  hash.update(JSON.stringify(names)).update(mapping);
  for (const { id, image, labels } of dataset.samples(split, { lenient: true })) {
    const bytes = async (file: string | undefined) => (file ? (await fs.stat(file)).size : -1);
    hash.update(`${JSON.stringify(id.normalize('NFC'))} ${await bytes(image)} ${await bytes(labels)}\n`);
  }
  return hash.digest('hex').slice(0, 16);
}
