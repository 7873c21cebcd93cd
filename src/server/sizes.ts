import type { PixelSize } from './segmenting.js';

/** Steps of an octave by which aspect ratios are rounded: at most 2.2 % of distortion. */
const perOctave = 16;
/** Sides are multiples of this, so that no stride leaves a remainder. */
const unit = 8;

/**
 * The size a picture is shown to the network at: the area of the pictures it was trained on, in the picture's own
 * aspect ratio, rounded, so that pictures of any number of sizes need few arenas. A picture of the trained size, or
 * of its aspect ratio, is shown at exactly that size.
 */
export function bucketOf(image: PixelSize, trained: PixelSize): PixelSize {
  const area = trained.height * trained.width;
  const base = Math.log2(trained.width / trained.height);
  const wanted = Math.log2(image.width / image.height);
  const aspect = 2 ** (base + Math.round((wanted - base) * perOctave) / perOctave);
  if (aspect === trained.width / trained.height) return { ...trained };
  const side = (length: number): number => Math.max(32, Math.round(length / unit) * unit);
  // Beyond 16:1 a side would be too thin for the network: the rest is distortion.
  const bounded = Math.min(16, Math.max(1 / 16, aspect));
  return { height: side(Math.sqrt(area / bounded)), width: side(Math.sqrt(area * bounded)) };
}
