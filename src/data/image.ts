import { UserError } from '../errors.js';
import type { Rgb } from './classes.js';
import { readBytes, reason, writeAtomic } from './files.js';
import { decodePlainPng, plainPngSize } from './png.js';

/** An 8-bit colour image: `data` is height × width × 3, rows first, red green blue. */
export interface RgbImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** One value per pixel: `data` is height × width. */
export interface LabelImage {
  width: number;
  height: number;
  data: Uint8Array;
}

/** The library for all other pictures, loaded when one comes: it takes 20 MB in every thread. */
async function loadSharp() {
  const { default: sharp } = await import('sharp');
  // Pools of threads are the parallelism, and caches would only hold memory.
  sharp.concurrency(1);
  sharp.cache(false);
  return sharp;
}

/** Largest accepted picture, in pixels: a damaged header must not ask for gigabytes. */
const maxPixels = 1 << 28;

/**
 * Decodes a PNG, JPEG, WebP, TIFF, GIF or AVIF picture to 8-bit sRGB. Grey becomes three equal channels, alpha
 * is dropped, 16 bits keep their high byte, and the EXIF orientation is applied.
 * @param into memory that may be used for the result if it has its size.
 * @throws UserError naming the file where it is missing, empty, truncated or no picture.
 */
export async function readImage(file: string, into?: RgbImage): Promise<RgbImage> {
  return decodeImage(await readBytes(file), file, into);
}

/** Decodes the bytes of a picture as {@link readImage} does; `file` is what messages name. */
export async function decodeImage(bytes: Buffer, file: string, into?: RgbImage): Promise<RgbImage> {
  const plain = await decodePlainPng(bytes, 3, into);
  if (plain) return plain;
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels })
      .rotate()
      .removeAlpha()
      .toColourspace('srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion`);
    return { width: info.width, height: info.height, data: tight(data) };
  } catch (error) {
    throw undecodable(file, 'an image', error);
  }
}

/**
 * The size of a picture by its header, EXIF orientation applied.
 * @throws UserError naming the file where it is missing, empty or no picture.
 */
export async function readImageSize(file: string): Promise<{ height: number; width: number }> {
  return imageSize(await readBytes(file), file);
}

/** The size of a picture in memory as {@link readImageSize} tells it; `file` is what messages name. */
export async function imageSize(bytes: Buffer, file: string): Promise<{ height: number; width: number }> {
  const plain = plainPngSize(bytes);
  if (plain) return plain;
  const sharp = await loadSharp();
  try {
    const { autoOrient } = await sharp(bytes, { limitInputPixels: maxPixels }).metadata();
    return { height: autoOrient.height, width: autoOrient.width };
  } catch (error) {
    throw undecodable(file, 'an image', error);
  }
}

/**
 * Decodes a label PNG to its raw values: 8-bit (or smaller) grey, or the palette INDICES of an indexed PNG
 * (never its colours). A colour image is read only where every colour is in `colours`, and then gives the
 * position of the colour in that list; `colourCoded` says so.
 * @param into memory that may be used for the result if it has its size.
 * @throws UserError naming the file and what is wrong: no PNG, truncated, 16-bit, or colours of no class.
 */
export async function readLabels(
  file: string,
  colours?: readonly Rgb[],
  into?: LabelImage,
): Promise<LabelImage & { colourCoded: boolean }> {
  const bytes = await readBytes(file);
  const plain = await decodePlainPng(bytes, 1, into);
  if (plain) {
    const { width, height, data } = plain;
    return { width, height, data, colourCoded: false };
  }
  const png = await decodeAny(file, bytes);
  const { width, height, channels } = png;
  if (png.depth === 16) {
    throw new UserError(
      `${file}: a 16-bit PNG is no label image (is it an instanceIds file?); expected 8-bit class values`,
    );
  }
  const values = png.depth < 8 ? unpack(png.data, width, height, png.depth) : bytesOf(png.data);
  if (values.length !== width * height * channels) {
    throw new UserError(`${file}: cannot be decoded as a label PNG (pixels are missing)`);
  }
  if (channels === 1) return { width, height, data: values, colourCoded: false };
  if (channels === 2) {
    const grey = new Uint8Array(width * height);
    for (let i = 0; i < grey.length; i++) grey[i] = values[2 * i];
    return { width, height, data: grey, colourCoded: false };
  }
  return { width, height, data: fromColours(file, values, channels, colours), colourCoded: true };
}

/**
 * Decodes a one-channel PNG of 8 or 16 bits, such as the Cityscapes `instanceIds`
 * (class · 1000 + number for things, the class alone otherwise).
 * @throws UserError naming the file.
 */
export async function readInstances(
  file: string,
): Promise<{ width: number; height: number; data: Uint16Array }> {
  const png = await decodeAny(file, await readBytes(file));
  if (png.channels !== 1 || png.depth < 8 || png.data.length !== png.width * png.height) {
    throw new UserError(`${file}: expected a one-channel 8- or 16-bit PNG of instance numbers`);
  }
  return { width: png.width, height: png.height, data: Uint16Array.from(png.data) };
}

/** Writes labels as an 8-bit grey PNG, atomically. */
export async function writeLabelPng(file: string, labels: LabelImage): Promise<void> {
  await writeAtomic(file, await encodeLabelPng(labels));
}

/** The bytes of an 8-bit grey PNG. */
export async function encodeLabelPng(labels: LabelImage): Promise<Uint8Array> {
  const { width, height, data } = labels;
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace('b-w')
    .png({ compressionLevel: 6 })
    .toBuffer();
}

/** Writes a 16-bit grey PNG (instance numbers), atomically. */
export async function writeInstancePng(
  file: string,
  image: { width: number; height: number; data: Uint16Array },
): Promise<void> {
  const { width, height, data } = image;
  const sharp = await loadSharp();
  const png = await sharp(data, { raw: { width, height, channels: 1 } })
    .toColourspace('grey16')
    .png({ compressionLevel: 6 })
    .toBuffer();
  await writeAtomic(file, png);
}

/** Writes an 8-bit RGB PNG, atomically. `compressionLevel` is zlib's, 0 to 9. */
export async function writeRgbPng(file: string, image: RgbImage, compressionLevel = 6): Promise<void> {
  await writeAtomic(file, await encodeRgbPng(image, compressionLevel));
}

/** The bytes of an 8-bit RGB PNG. */
export async function encodeRgbPng(image: RgbImage, compressionLevel = 6): Promise<Uint8Array> {
  const { width, height, data } = image;
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .png({ compressionLevel })
    .toBuffer();
}

/** The bytes of a JPEG. `quality` 1 to 100. */
export async function encodeJpeg(image: RgbImage, quality: number): Promise<Uint8Array> {
  const { width, height, data } = image;
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } })
    .jpeg({ quality })
    .toBuffer();
}

/** Replaces an image by what a JPEG of this quality keeps of it, in place. */
export async function throughJpeg(image: RgbImage, quality: number): Promise<void> {
  const sharp = await loadSharp();
  image.data.set(
    await sharp(await encodeJpeg(image, quality))
      .raw()
      .toBuffer(),
  );
}

/** Paints train ids with their class colours; values without a class (ignore) are black. */
export function colourise(labels: LabelImage, colours: readonly Rgb[]): RgbImage {
  const lut = new Uint8Array(768);
  colours.forEach((colour, i) => {
    lut.set(colour, 3 * i);
  });
  const { width, height, data } = labels;
  const out = new Uint8Array(width * height * 3);
  for (let i = 0, o = 0; i < data.length; i++, o += 3) {
    const c = 3 * data[i];
    out[o] = lut[c];
    out[o + 1] = lut[c + 1];
    out[o + 2] = lut[c + 2];
  }
  return { width, height, data: out };
}

/**
 * `(1 − alpha) · image + alpha · class colour`; pixels without a class keep the image.
 * @throws UserError where the two sizes differ.
 */
export function overlay(image: RgbImage, labels: LabelImage, colours: readonly Rgb[], alpha = 0.5): RgbImage {
  if (image.width !== labels.width || image.height !== labels.height) {
    throw new UserError(
      `overlay: labels are ${size(labels)} but the image is ${size(image)}; both must have the same size`,
    );
  }
  const out = colourise(labels, colours).data;
  const a = Math.round(Math.min(1, Math.max(0, alpha)) * 256);
  const { data } = image;
  for (let i = 0, o = 0; i < labels.data.length; i++, o += 3) {
    const w = labels.data[i] < colours.length ? a : 0;
    for (let k = o; k < o + 3; k++) out[k] = (data[k] * (256 - w) + out[k] * w + 128) >> 8;
  }
  return { width: image.width, height: image.height, data: out };
}

/** Writes train ids in class colours as an RGB PNG, atomically. */
export async function writeColourPng(
  file: string,
  labels: LabelImage,
  colours: readonly Rgb[],
): Promise<void> {
  await writeRgbPng(file, colourise(labels, colours));
}

/** Writes the image with class colours blended over it, atomically. `alpha` 0 is the image, 1 the colours. */
export async function writeOverlayPng(
  file: string,
  image: RgbImage,
  labels: LabelImage,
  colours: readonly Rgb[],
  alpha = 0.5,
): Promise<void> {
  await writeRgbPng(file, overlay(image, labels, colours, alpha));
}

/** `1024×2048` (height × width), as messages print sizes. */
export function size(image: { width: number; height: number }): string {
  return `${image.height}×${image.width}`;
}

async function decodeAny(file: string, bytes: Buffer) {
  const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
  if (!signature.every((value, i) => bytes[i] === value)) {
    throw new UserError(`${file}: labels must be PNG (lossless); this file is not one, or it is damaged`);
  }
  const { decode } = await import('fast-png');
  try {
    if (bytes.length < 33) throw new Error('the file ends in its header');
    const pixels = bytes.readUInt32BE(16) * bytes.readUInt32BE(20);
    if (pixels === 0 || pixels > maxPixels) throw new Error(`its header says ${pixels} pixels`);
    return decode(bytes, { checkCrc: true });
  } catch (error) {
    throw undecodable(file, 'a label PNG', error);
  }
}

/** Rows of 1, 2 or 4-bit values, each row padded to whole bytes, to one byte a value (not rescaled). */
function unpack(packed: ArrayLike<number>, width: number, height: number, depth: number): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const perByte = 8 / depth;
  const mask = (1 << depth) - 1;
  const out = new Uint8Array(packed.length < rowBytes * height ? 0 : width * height);
  for (let i = 0; i < out.length; i++) {
    const y = Math.floor(i / width);
    const x = i - y * width;
    const byte = packed[y * rowBytes + Math.floor(x / perByte)];
    out[i] = (byte >> (8 - depth * ((x % perByte) + 1))) & mask;
  }
  return out;
}

function fromColours(
  file: string,
  values: Uint8Array,
  channels: number,
  colours: readonly Rgb[] | undefined,
): Uint8Array {
  if (!colours) {
    throw new UserError(
      `${file}: is a colour image; labels must be 8-bit grey or palette PNG holding one class value a pixel`,
    );
  }
  const index = new Map(colours.map(([r, g, b], i) => [(r << 16) | (g << 8) | b, i]));
  const out = new Uint8Array(values.length / channels);
  let last = -1;
  let lastIndex = 0;
  for (let i = 0, p = 0; i < out.length; i++, p += channels) {
    const key = (values[p] << 16) | (values[p + 1] << 8) | values[p + 2];
    if (key !== last) {
      // Black is how colour label images say "no class", unless a class has it.
      const found = index.get(key) ?? (key === 0 ? 255 : undefined);
      if (found === undefined) {
        throw new UserError(
          `${file}: colour (${values[p]}, ${values[p + 1]}, ${values[p + 2]}) is no class colour; ` +
            'labels must be 8-bit class values, or use exactly the colours of the class table',
        );
      }
      last = key;
      lastIndex = found;
    }
    out[i] = lastIndex;
  }
  return out;
}

function undecodable(file: string, what: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const cause = error instanceof Error && error.cause ? reason(error.cause) : reason(error);
  return new UserError(
    `${file}: cannot be decoded as ${what} (${cause}); the file is damaged or of another kind`,
  );
}

function bytesOf(data: Uint8Array | Uint8ClampedArray | Uint16Array): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** The same bytes in a buffer of their own, so it can be moved to another thread. */
function tight(data: Buffer): Uint8Array {
  if (data.byteOffset === 0 && data.byteLength === data.buffer.byteLength) {
    return new Uint8Array(data.buffer, 0, data.byteLength) as Uint8Array;
  }
  return new Uint8Array(data);
}
