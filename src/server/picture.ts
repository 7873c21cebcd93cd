import type { RgbImage } from '../data/image.js';
import { decodeImage, imageSize } from '../data/image.js';
import { Problem } from './problem.js';

const leastSide = 32;

/**
 * Decodes a picture that a client sent, its size checked before memory is taken for the pixels.
 * @param name what messages call it.
 * @param most pixels.
 * @throws Problem 413 for more pixels, 422 for fewer than 32×32; UserError for what is no picture.
 */
export async function decodePicture(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  most: number,
): Promise<RgbImage> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { height, width } = await imageSize(buffer, name);
  if (height * width > most) {
    throw new Problem(
      413,
      `${name}: has ${height}×${width} pixels, ${most} are the most; send a smaller one`,
    );
  }
  if (Math.min(height, width) < leastSide) {
    throw new Problem(422, `${name}: has ${height}×${width} pixels; expected at least 32×32`);
  }
  return decodeImage(buffer, name);
}
