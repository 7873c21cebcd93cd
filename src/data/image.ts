import { UserError } from '../errors.js';
import { bmpSize, decodeBmp, isBmp } from './bmp.js';
import type { Rgb } from './classes.js';
import { readBytes, reason, writeAtomic } from './files.js';
import { decodePlainPng, plainPngSize } from './png.js';
import { loadSharp } from './sharp.js';

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

/** A decoded picture: upright. */
export interface Picture extends RgbImage {
  /** EXIF orientation (2 to 8) by which it was turned or mirrored when it was decoded; absent where nothing changed. */
  orientation?: number;
}

/** Largest accepted picture, in pixels (8192×10922): its decoded bytes are 256 MiB. */
export const mostPixels = Math.floor(2 ** 28 / 3);
/** Largest file taken for a picture. */
const mostFileBytes = 2 ** 29;
/** What is decoded, by the library's names. It knows others, such as SVG, that are no pictures of a camera. */
const formats = new Set(['jpeg', 'png', 'webp', 'tiff', 'gif', 'heif']);

/**
 * Decodes a PNG, JPEG, WebP, TIFF, GIF, AVIF or BMP picture to 8-bit sRGB. Grey becomes three equal channels, alpha
 * is dropped, 16 bits keep their high byte, and the EXIF orientation is applied.
 * @param into memory that may be used for the result if it has its size.
 * @throws UserError naming the file where it is missing, empty, truncated, too large or no picture, or holds numbers
 * that 8 bits would turn black: floating point, or 12 bits in 16.
 */
export async function readImage(file: string, into?: RgbImage): Promise<Picture> {
  return decodeImage(await readBytes(file, mostFileBytes), file, into);
}

/** Decodes bytes as {@link readImage} does; `file` is what messages name. */
export async function decodeImage(given: Uint8Array, file: string, into?: RgbImage): Promise<Picture> {
  const bytes = bufferOf(given);
  const plain = await decodePlainPng(bytes, mostPixels, into);
  if (plain) return plain;
  try {
    if (isBmp(bytes)) return await decodeBmp(bytes, mostPixels);
    const sharp = await loadSharp();
    const picture = sharp(bytes, { failOn: 'error', limitInputPixels: mostPixels, limitInputChannels: 8 });
    const { format, depth, orientation = 1 } = await picture.metadata();
    checkKind(format, depth);
    // 16 bits are looked at before they lose half.
    const deep = depth === 'ushort';
    const { data, info } = await picture
      .rotate()
      .removeAlpha()
      .toColourspace(deep ? 'rgb16' : 'srgb')
      .raw({ depth: deep ? 'ushort' : 'uchar' })
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion`);
    return {
      width: info.width,
      height: info.height,
      data: deep ? highBytes(data) : tight(data),
      ...(orientation > 1 ? { orientation } : {}),
    };
  } catch (error) {
    throw undecodable(file, 'an image', error);
  }
}

/**
 * The size of a picture by its header, EXIF orientation applied.
 * @throws UserError naming the file where it is missing, empty, too large or no picture.
 */
export async function readImageSize(file: string): Promise<{ height: number; width: number }> {
  return imageSize(await readBytes(file, mostFileBytes), file);
}

/** The size of a picture as {@link readImageSize} gives it; `file` is what messages name. */
export async function imageSize(given: Uint8Array, file: string): Promise<{ height: number; width: number }> {
  const bytes = bufferOf(given);
  try {
    const size = plainPngSize(bytes) ?? (isBmp(bytes) ? bmpSize(bytes) : await sizeByHeader(bytes));
    checkPixels(size);
    return size;
  } catch (error) {
    throw undecodable(file, 'an image', error);
  }
}

async function sizeByHeader(bytes: Buffer): Promise<{ height: number; width: number }> {
  const sharp = await loadSharp();
  // The limit would be the library's own message; the size is checked after.
  const { format, depth, autoOrient } = await sharp(bytes, { limitInputPixels: false }).metadata();
  checkKind(format, depth);
  return { height: autoOrient.height, width: autoOrient.width };
}

function checkKind(format: string | undefined, depth: string | undefined): void {
  if (!format || !formats.has(format))
    throw new Error(`${format ?? 'this'} is no kind of picture that is read`);
  if (depth !== 'uchar' && depth !== 'ushort') {
    throw new Error(
      `it holds ${depth === 'float' || depth === 'double' ? 'floating-point' : `'${depth}'`} numbers, not 8 or 16 bits a channel; scale them to 0…255 and save it again`,
    );
  }
}

/** @throws Error where a picture has more pixels than are decoded. */
export function checkPixels({ height, width }: { height: number; width: number }): void {
  if (height * width <= mostPixels) return;
  throw new Error(
    `it has ${height}×${width} pixels; at most ${Math.floor(mostPixels / 1e6)} million are read`,
  );
}

/** The high bytes of 16-bit samples. @throws Error where all of them would be nearly black. */
function highBytes(data: Buffer): Uint8Array {
  const deep = new Uint16Array(data.buffer, data.byteOffset, data.length >> 1);
  let highest = 0;
  for (const value of deep) if (value > highest) highest = value;
  if (highest > 0 && highest < 4096) {
    throw new Error(
      `it has 16 bits a channel but no value above ${highest}, like ${highest < 256 ? 8 : highest < 1024 ? 10 : 12}-bit data that was not scaled: it would be black; multiply it up to 65535 and save it again`,
    );
  }
  return Uint8Array.from(deep, (value) => value >> 8);
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
  return (await rawSharp(image)).png({ compressionLevel }).toBuffer();
}

/** The bytes of a JPEG. `quality` 1 to 100. */
export async function encodeJpeg(image: RgbImage, quality: number): Promise<Uint8Array> {
  return (await rawSharp(image)).jpeg({ quality }).toBuffer();
}

async function rawSharp({ width, height, data }: RgbImage) {
  const sharp = await loadSharp();
  return sharp(data, { raw: { width, height, channels: 3 } });
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

/** What went wrong with a file's pixels, as one line for people. */
export function undecodable(file: string, what: string, error: unknown): UserError {
  if (error instanceof UserError) return error;
  const cause = error instanceof Error && error.cause ? reason(error.cause) : reason(error);
  const plain =
    cause === 'Input image exceeds pixel limit'
      ? `it has more than ${Math.floor(mostPixels / 1e6)} million pixels`
      : cause;
  return new UserError(
    `${file}: cannot be decoded as ${what} (${plain}); the file is damaged or of another kind`,
  );
}

/** The same memory with Node's methods: what others import names no type of Node. */
const bufferOf = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);

/** The same bytes in a buffer of their own, so it can be moved to another thread. */
function tight(data: Buffer): Uint8Array {
  if (data.byteOffset === 0 && data.byteLength === data.buffer.byteLength) {
    return new Uint8Array(data.buffer, 0, data.byteLength) as Uint8Array;
  }
  return new Uint8Array(data);
}
