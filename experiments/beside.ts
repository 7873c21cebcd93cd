import { copyFile } from 'node:fs/promises';
import path from 'node:path';
import type { Dataset } from '../src/data/dataset.js';
import { isFile, makeFolder, writeAtomic } from '../src/data/files.js';
import { writeLabelPng } from '../src/data/image.js';
import { readSample } from '../src/data/read-sample.js';
import { UserError } from '../src/errors.js';

/**
 * Puts a data set and scenes of the same classes into one folder, `images/`, `labels/` and `classes.json`, for training on
 * both. The scenes join the training images as `dusk_…`, say; validation stays the data set's own. Goes on where it stopped.
 * @param prefix of the scenes' names.
 * @throws UserError where the classes differ, or a sample cannot be read.
 */
export async function putBeside(out: string, data: Dataset, scenes: Dataset, prefix: string): Promise<void> {
  const { names, colours } = data.classes;
  if (scenes.classes.names.join() !== names.join()) {
    throw new UserError(
      `${scenes.root}: the scenes' classes are ${scenes.classes.names.join(', ')}; expected those of ${data.root}: ${names.join(', ')}`,
    );
  }
  for (const [from, split, start] of [
    [data, 'train', ''],
    [data, 'val', ''],
    [scenes, 'train', prefix],
  ] as const) {
    const [images, labels] = ['images', 'labels'].map((kind) => path.join(out, kind, split));
    for (const folder of [images, labels]) await makeFolder(folder);
    for (const sample of from.samples(split)) {
      const name = start + sample.id.replaceAll('/', '_');
      const label = path.join(labels, `${name}.png`);
      if (isFile(label)) continue;
      await copyFile(sample.image, path.join(images, name + path.extname(sample.image)));
      // Written last: what has labels is whole.
      await writeLabelPng(label, (await readSample(from, sample)).labels);
    }
  }
  await writeAtomic(path.join(out, 'classes.json'), Buffer.from(JSON.stringify({ names, colours })));
}
