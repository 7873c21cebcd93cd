import { UserError } from '../errors.js';
import type { Rgb } from './classes.js';
import { readBytes } from './files.js';
import { checkPixels, type LabelImage, undecodable } from './image.js';
import { decodePng, isPng, readPngHeader } from './png.js';

/** Labels as a file holds them. */
export interface RawLabels extends LabelImage {
  /**
   * What the values are: `values` as stored (grey, or palette indices), or positions in the list of colours, because
   * the file is a colour image (`colours`) or has a palette of class colours in an order of its own (`palette`).
   */
  reading: 'values' | 'colours' | 'palette';
}

/** How {@link readLabels} reads. */
export interface LabelReading {
  /** The colour of each class, where values may be given as colours. */
  colours?: readonly Rgb[];
  /** The colours of `colours` that mean "no class". */
  ignored?: readonly Rgb[];
  /** The class of each of 256 stored values: with it, a palette is compared with the colours. */
  mapping?: Uint8Array;
  /** Read palettes always by their colours or always by their indices; default: compare. */
  palette?: 'colours' | 'index';
  /** Memory that may be used for the result if it has its size. */
  into?: LabelImage;
}

/** Largest file taken for labels. */
const mostFileBytes = 2 ** 28;

/**
 * Decodes a label PNG to its values: 8-bit (or smaller) grey, or the indices of a palette. A colour image is read only
 * where every colour is in `colours`. A palette that gives every index the colour of another class than the index
 * stands for is read by its colours, since programs that "reduce colours" number them as they come.
 * @throws UserError naming the file and what is wrong: no PNG, truncated, 16-bit, or colours of no class.
 */
export async function readLabels(file: string, how: LabelReading = {}): Promise<RawLabels> {
  const bytes = await readBytes(file, mostFileBytes);
  const png = await decodeAny(file, bytes, how.into);
  const { width, height, channels, data, palette } = png;
  if (data instanceof Uint16Array) {
    throw new UserError(
      `${file}: a 16-bit PNG is no label image (is it an instanceIds file?); expected 8-bit class values`,
    );
  }
  if (channels >= 3)
    return { width, height, data: fromColours(file, data, channels, how), reading: 'colours' };
  if (channels === 2) {
    const grey = new Uint8Array(width * height);
    for (let i = 0; i < grey.length; i++) grey[i] = data[2 * i];
    return { width, height, data: grey, reading: 'values' };
  }
  const classes = palette && how.palette !== 'index' ? classesOfPalette(file, data, palette, how) : undefined;
  if (!classes) return { width, height, data, reading: 'values' };
  for (let i = 0; i < data.length; i++) data[i] = classes[data[i]];
  return { width, height, data, reading: 'palette' };
}

/**
 * Decodes a one-channel PNG of 8 or 16 bits, such as the Cityscapes `instanceIds`
 * (class · 1000 + number for things, the class alone otherwise).
 * @throws UserError naming the file.
 */
export async function readInstances(
  file: string,
): Promise<{ width: number; height: number; data: Uint16Array }> {
  const { width, height, channels, depth, data } = await decodeAny(
    file,
    await readBytes(file, mostFileBytes),
  );
  if (channels !== 1 || depth < 8) {
    throw new UserError(`${file}: expected a one-channel 8- or 16-bit PNG of instance numbers`);
  }
  return { width, height, data: data instanceof Uint16Array ? data : Uint16Array.from(data) };
}

/** True where a file is a PNG that gives colours, by itself or through a palette. */
export async function isColourPng(file: string): Promise<boolean> {
  const bytes = await readBytes(file, mostFileBytes);
  if (!isPng(bytes)) return false;
  try {
    return [2, 3, 6].includes(readPngHeader(bytes).colour);
  } catch (error) {
    throw undecodable(file, 'a label PNG', error);
  }
}

async function decodeAny(file: string, bytes: Buffer, into?: LabelImage) {
  if (!isPng(bytes)) {
    throw new UserError(`${file}: labels must be PNG (lossless); this file is not one, or it is damaged`);
  }
  try {
    const header = readPngHeader(bytes);
    checkPixels(header);
    const { depth, palette, colour } = header;
    return { ...(await decodePng(header, into)), depth, palette: colour === 3 ? palette : undefined };
  } catch (error) {
    throw undecodable(file, 'a label PNG', error);
  }
}

const keyOf = (r: number, g: number, b: number): number => (r << 16) | (g << 8) | b;

/** The class of each colour. Black is how colour label images say "no class", unless a class has it. */
function classesByColour({ colours = [], ignored = [] }: LabelReading): Map<number, number> {
  return new Map([
    [0, 255],
    ...ignored.map(([r, g, b]): [number, number] => [keyOf(r, g, b), 255]),
    ...colours.map(([r, g, b], i): [number, number] => [keyOf(r, g, b), i]),
  ]);
}

/**
 * The class of each palette index by its colour, where all indices in use have class colours and one contradicts what
 * the index stands for; `undefined` where indices mean what they say.
 */
function classesOfPalette(
  file: string,
  data: Uint8Array,
  palette: Uint8Array,
  how: LabelReading,
): Uint8Array | undefined {
  const { colours, mapping, palette: chosen } = how;
  if (!colours || !(mapping || chosen)) return undefined;
  const byColour = classesByColour(how);
  const used = new Uint8Array(256);
  for (const index of data) used[index] = 1;
  const classes = new Uint8Array(256).fill(255);
  let contradicts = false;
  for (let index = 0; index < 256; index++) {
    if (!used[index]) continue;
    const [r, g, b] = palette.subarray(3 * index, 3 * index + 3);
    const found = b === undefined ? undefined : byColour.get(keyOf(r, g, b));
    if (found === undefined) {
      if (chosen) throw new UserError(`${file}: index ${index} of its palette has no class colour`);
      return undefined;
    }
    classes[index] = found;
    contradicts ||= found !== 255 && found !== mapping?.[index];
  }
  return contradicts || chosen ? classes : undefined;
}

function fromColours(file: string, values: Uint8Array, channels: number, how: LabelReading): Uint8Array {
  if (!how.colours) {
    throw new UserError(
      `${file}: is a colour image; labels must be 8-bit grey or palette PNG holding one class value a pixel`,
    );
  }
  const classes = classesByColour(how);
  const out = new Uint8Array(values.length / channels);
  let last = -1;
  let lastClass = 0;
  for (let i = 0, p = 0; i < out.length; i++, p += channels) {
    const key = keyOf(values[p], values[p + 1], values[p + 2]);
    if (key !== last) {
      const found = classes.get(key);
      if (found === undefined) {
        throw new UserError(
          `${file}: colour (${values[p]}, ${values[p + 1]}, ${values[p + 2]}) is no class colour; ` +
            'labels must be 8-bit class values, or use exactly the colours of the class table',
        );
      }
      last = key;
      lastClass = found;
    }
    out[i] = lastClass;
  }
  return out;
}
