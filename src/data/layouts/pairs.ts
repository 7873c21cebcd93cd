import path from 'node:path';
import { isImageName, type Sample, stem } from '../dataset.js';
import { listNames } from '../files.js';

/** Finds label files by the image's name without its ending (`a.jpg` ↔ `a.png`), listing the folder once. */
export function labelsByStem(
  folder: string,
): (name: string) => Pick<Sample, 'labels' | 'encoding' | 'expectedLabels'> {
  const files = new Map<string, string>();
  for (const file of listNames(folder, 'files').filter(isImageName)) {
    // A PNG wins over another file of the same name, since only PNG labels can be read.
    if (!files.has(stem(file)) || file.toLowerCase().endsWith('.png'))
      files.set(stem(file), path.join(folder, file));
  }
  return (name) => {
    const labels = files.get(name);
    return labels
      ? { labels, encoding: 'raw' }
      : { encoding: 'raw', expectedLabels: path.join(folder, `${name}.png`) };
  };
}
