import type { RgbImage } from '../data/image.js';
import { UserError } from '../errors.js';

/** Pixels in memory, rows first: `data` has 3 (RGB), 4 (RGBA, alpha is dropped) or 1 (grey) bytes a pixel. */
export interface RawPixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array | Uint8ClampedArray;
}

export const isRawPixels = (source: unknown): source is RawPixels => {
  const { width, height, data } = source as Partial<RawPixels>;
  const bytes = data instanceof Uint8Array || data instanceof Uint8ClampedArray;
  return typeof width === 'number' && typeof height === 'number' && bytes;
};

/**
 * The RGB bytes of pixels in memory; those that have 3 bytes a pixel are not copied.
 * @throws UserError where the number of bytes does not fit the size.
 */
export function rgbOf({ width, height, data }: RawPixels): RgbImage {
  const count = width * height;
  if (Number.isSafeInteger(width) && Number.isSafeInteger(height) && width > 0 && height > 0) {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.length);
    if (bytes.length === 3 * count) return { width, height, data: bytes };
    if (bytes.length === 4 * count) return { width, height, data: withoutAlpha(bytes) };
    if (bytes.length === count) return { width, height, data: tripled(bytes) };
  }
  throw new UserError(
    `pixels: ${data.length} bytes for ${width}×${height} pixels; expected width, height and 3 (RGB), 4 (RGBA) or 1 (grey) bytes a pixel`,
  );
}

/** Four pixels are four words in and three out: several times as fast as byte by byte. */
function withoutAlpha(rgba: Uint8Array): Uint8Array {
  const count = rgba.length / 4;
  const rgb = new Uint8Array(3 * count);
  const aligned = rgba.byteOffset % 4 === 0 ? rgba : rgba.slice();
  const from = new Uint32Array(aligned.buffer, aligned.byteOffset, count);
  const to = new Uint32Array(rgb.buffer, 0, Math.floor(rgb.length / 4));
  const whole = count - (count % 4);
  for (let i = 0, o = 0; i < whole; i += 4, o += 3) {
    const [a, b, c, d] = [from[i], from[i + 1], from[i + 2], from[i + 3]];
    to[o] = (a & 0xffffff) | (b << 24);
    to[o + 1] = ((b >>> 8) & 0xffff) | (c << 16);
    to[o + 2] = ((c >>> 16) & 0xff) | (d << 8);
  }
  for (let i = whole; i < count; i++) {
    for (let k = 0; k < 3; k++) rgb[3 * i + k] = rgba[4 * i + k];
  }
  return rgb;
}

function tripled(grey: Uint8Array): Uint8Array {
  const rgb = new Uint8Array(3 * grey.length);
  for (let i = 0, o = 0; i < grey.length; i++, o += 3) rgb[o] = rgb[o + 1] = rgb[o + 2] = grey[i];
  return rgb;
}
