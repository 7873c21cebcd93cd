import type { LabelImage } from './image.js';

/**
 * Turns or mirrors one-channel pixels as the EXIF orientation says that stored pixels are shown.
 * Orientation 2 mirrors, 3 turns by 180°, 4 flips, 5 transposes, 6 turns clockwise by 90°, 7 transposes along the other
 * diagonal, 8 turns counter-clockwise by 90°. https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf, tag 0x112
 */
export function upright({ width, height, data }: LabelImage, orientation: number): LabelImage {
  if (orientation < 2 || orientation > 8) return { width, height, data };
  const turned = orientation >= 5;
  const [outWidth, outHeight] = turned ? [height, width] : [width, height];
  const out = new Uint8Array(data.length);
  // Where a stored row runs: backwards or not, along the columns or the rows of what is shown.
  const mirrored = [2, 3, 7, 8].includes(orientation);
  const flipped = [3, 4, 6, 7].includes(orientation);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      const along = mirrored ? width - 1 - x : x;
      const across = flipped ? height - 1 - y : y;
      out[turned ? along * outWidth + across : across * outWidth + along] = data[i];
    }
  }
  return { width: outWidth, height: outHeight, data: out };
}
