import { sha256 } from '#sha256';
import type { LabelledPicture } from './labelledPicture.js';

const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Sixteen hexadecimal digits that tell one set of training pictures from another. */
export function fingerprintOf(pictures: readonly LabelledPicture[], names: readonly string[]): string {
  const parts = pictures.flatMap(({ id, image, labels }) => [
    bytesOf([id, image.width, image.height]),
    image.data,
    labels.data,
  ]);
  return sha256(bytesOf(names), ...parts).slice(0, 16);
}
