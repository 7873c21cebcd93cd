import type { RgbImage } from '../image.js';
import type { Rng } from '../rng.js';

/** Deviation of a sum of four even bytes, √(4 · (256² − 1) / 12). */
const deviation = Math.sqrt((256 ** 2 - 1) / 3);

/** Adds noise of deviation σ, in grey levels, to every channel of every pixel: sums of four even bytes, nearly normal. */
export function noiseInPlace({ data }: RgbImage, sigma: number, rng: Rng): void {
  const clamped = new Uint8ClampedArray(data.buffer, data.byteOffset, data.length);
  const scale = sigma / deviation;
  for (let i = 0; i < data.length; i++) {
    const u = rng.uint32();
    const sum = (u & 255) + ((u >>> 8) & 255) + ((u >>> 16) & 255) + (u >>> 24);
    clamped[i] = data[i] + scale * (sum - 510);
  }
}
