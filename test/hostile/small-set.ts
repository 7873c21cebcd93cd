import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import { encodePng } from '../data/png-writer.js';

/** Writes a small folder data set of PNG and JPEG pictures; returns its files and their bytes. */
export async function writeSmallSet(root: string): Promise<{ file: string; bytes: Buffer }[]> {
  const [width, height] = [40, 36];
  const data = Buffer.from(Array.from({ length: width * height * 3 }, (_, i) => (i * 37) & 255));
  const picture = () => sharp(data, { raw: { width, height, channels: 3 } });
  const labels = encodePng({ width, height, depth: 8, colour: 0, sample: (x) => x % 3 });
  const files: { file: string; bytes: Buffer }[] = [];
  for (const split of ['train', 'val']) {
    for (let i = 0; i < 3; i++) {
      const bytes = i === 1 ? await picture().jpeg().toBuffer() : await picture().png().toBuffer();
      files.push({ file: path.join(root, 'images', split, `p${i}.${i === 1 ? 'jpg' : 'png'}`), bytes });
      files.push({ file: path.join(root, 'labels', split, `p${i}.png`), bytes: labels });
    }
  }
  files.push({ file: path.join(root, 'classes.json'), bytes: Buffer.from('{"names": ["a", "b", "c"]}') });
  for (const { file, bytes } of files) {
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
  return files;
}
