import { decode } from 'fast-png';
import { unzip } from 'fflate';
import { pictureOf } from '../segment/frames.ts';
import { isPicture, nameOf } from '../segment/inputs.ts';
import { text } from '../text.ts';
import type { OwnClass, OwnPicture, Project } from './project.ts';
import { colourOf, unpainted } from './project.ts';

/** Largest mask: 64 megapixels. */
const mostPixels = 2 ** 26;
/** Largest file of an archive that is unpacked: what the page keeps is smaller. */
const mostBytes = 2 ** 28;

/** The files of zips in place of the zips. @throws Error, one sentence, for a damaged one. */
export async function unpacked(files: readonly File[]): Promise<File[]> {
  const all: File[] = [];
  for (const file of files) {
    if (/\.zip$/i.test(file.name)) all.push(...(await filesOfZip(file)));
    else all.push(file);
  }
  return all;
}

async function filesOfZip(file: File): Promise<File[]> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  return new Promise((resolve, reject) => {
    const wanted = ({ name, originalSize }: { name: string; originalSize: number }) =>
      originalSize <= mostBytes &&
      /\.(png|jpe?g|webp|bmp|json)$/i.test(name) &&
      !/(^|\/)(\.|__MACOSX)/.test(name);
    unzip(bytes, { filter: wanted }, (error, entries) => {
      if (error) reject(new Error(text.problems.zip(file.name)));
      else {
        resolve(
          Object.entries(entries).map(
            ([name, content]) => new File([content as Uint8Array<ArrayBuffer>], name),
          ),
        );
      }
    });
  });
}

/** `street` of `labels/street_labels.png`, `street_mask.png` or `images/street.jpg`. */
const keyOf = (name: string): string =>
  name
    .replace(/^.*\//, '')
    .replace(/\.[^.]*$/, '')
    .replace(/[-_. ](masks?|labels?|seg|segmentation|annotation|gt|labelIds|labelTrainIds)$/i, '');

const inLabelFolder = (name: string): boolean =>
  /(^|\/)(masks?|labels?|annotations?|segmentations?|gt\w*)\//i.test(name);
const hasLabelEnding = (name: string): boolean =>
  keyOf(name) !== name.replace(/^.*\//, '').replace(/\.[^.]*$/, '');

interface Labels {
  readonly width: number;
  readonly height: number;
  /** One value a pixel: numbers of grey and palette pictures, 24-bit colours of others. */
  readonly values: Uint32Array;
  readonly coloured: boolean;
}

async function labelsOf(file: File): Promise<Labels> {
  let png: ReturnType<typeof decode>;
  try {
    const bytes = new Uint8Array(await file.arrayBuffer());
    // A decoder takes the memory that the header promises.
    const header = new DataView(bytes.buffer);
    if (header.getUint32(16) * header.getUint32(20) > mostPixels) throw new Error('too large');
    png = decode(bytes);
  } catch {
    throw new Error(text.problems.mask(file.name));
  }
  const { width, height, data, channels, depth } = png;
  const count = width * height;
  const values = new Uint32Array(count);
  if (depth < 8) {
    // Samples lie packed in rows of whole bytes.
    const row = Math.ceil((width * depth) / 8);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const bit = x * depth;
        const byte = data[y * row + (bit >> 3)];
        values[y * width + x] = (byte >> (8 - depth - (bit & 7))) & ((1 << depth) - 1);
      }
    }
    return { width, height, values, coloured: false };
  }
  const coloured = channels >= 3;
  for (let i = 0; i < count; i++) {
    const at = i * channels;
    values[i] = coloured ? (data[at] << 16) | (data[at + 1] << 8) | data[at + 2] : data[at];
  }
  return { width, height, values, coloured };
}

/** Names by value of a `classes.json`, as folder data sets have it. */
async function namesOf(files: readonly File[]): Promise<readonly string[]> {
  const file = files.find((candidate) => /(^|\/)classes\.json$/i.test(nameOf(candidate)));
  if (!file) return [];
  try {
    const { names } = JSON.parse(await file.text());
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : [];
  } catch {
    throw new Error(text.problems.classes(file.name));
  }
}

/** What was read, and a sentence for each file that could not be. */
export interface Read {
  readonly project: Project;
  readonly added: readonly OwnPicture[];
  readonly problems: readonly string[];
}

/**
 * Adds pictures to a project, with their masks where there are files of the same name that look like masks. Values of
 * masks become classes: 255 (and black, of coloured ones) is unlabelled.
 * @param side the longest side that pictures are kept at.
 */
export async function withFiles(
  project: Project,
  given: readonly File[],
  side: 320 | 480 | 640 | 1024,
): Promise<Read> {
  const files = await unpacked(given);
  const names = await namesOf(files);
  const images = files.filter(isPicture);
  const isMask = (file: File): boolean => {
    const name = nameOf(file);
    if (!/\.png$/i.test(name)) return false;
    return inLabelFolder(name) || hasLabelEnding(name);
  };
  const masks = new Map(images.filter(isMask).map((file) => [keyOf(nameOf(file)), file]));
  const classes: OwnClass[] = [...project.classes];
  const added: OwnPicture[] = [];
  const problems: string[] = [];
  const idOf = (value: number, coloured: boolean): number => {
    const name = coloured
      ? `#${value.toString(16).padStart(6, '0')}`
      : (names[value] ?? text.train.classNamed(value));
    const found = classes.findIndex((entry) => entry.name === name);
    if (found >= 0) return found;
    const colour = coloured
      ? ([value >> 16, (value >> 8) & 255, value & 255] as const)
      : colourOf(classes.length);
    classes.push({ name, colour });
    return classes.length - 1;
  };
  for (const file of images.filter((candidate) => !isMask(candidate))) {
    try {
      const { width, height, data } = await pictureOf(file, side);
      const rgb = new Uint8Array(3 * width * height);
      for (let p = 0, o = 0; o < rgb.length; p += 4, o += 3) rgb.set(data.subarray(p, p + 3), o);
      const mask = new Uint8Array(width * height).fill(unpainted);
      const source = masks.get(keyOf(nameOf(file)));
      if (source) {
        const labels = await labelsOf(source);
        const ids = new Map<number, number>();
        const distinct = new Set(labels.values);
        if (distinct.size > 100) throw new Error(text.problems.maskValues(source.name, distinct.size));
        for (const value of [...distinct].sort((a, b) => a - b)) {
          const ignored = labels.coloured ? value === 0 : value === 255;
          ids.set(value, ignored ? unpainted : idOf(value, labels.coloured));
        }
        for (let y = 0; y < height; y++) {
          const from = Math.floor(((y + 0.5) * labels.height) / height) * labels.width;
          for (let x = 0; x < width; x++) {
            const value = labels.values[from + Math.floor(((x + 0.5) * labels.width) / width)];
            mask[y * width + x] = ids.get(value)!;
          }
        }
      }
      added.push({ id: crypto.randomUUID(), name: file.name.replace(/^.*\//, ''), width, height, rgb, mask });
    } catch (error) {
      problems.push((error as Error).message);
    }
  }
  return { project: { classes, pictures: [...project.pictures, ...added] }, added, problems };
}
