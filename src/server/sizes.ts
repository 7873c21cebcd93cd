import { fittingSize } from '../eval/fitting.js';
import type { ModelInfo } from '../model/format.js';
import { Problem } from './problem.js';
import type { PixelSize } from './segmenting.js';

/** What may be asked of the network's view. */
export const sizePattern = /^(auto|own|\d{2,5}x\d{2,5})$/;

/**
 * What the network sees of a picture.
 * @param asked `auto`: {@link bucketOf}; `own`: the picture's size; or `HEIGHTxWIDTH`.
 * @throws Problem 422 for sizes out of range.
 */
export function seenSize(
  asked: string,
  picture: PixelSize,
  info: Pick<ModelInfo, 'trained'>,
  mostPixels: number,
): PixelSize {
  if (asked === 'own') return { height: picture.height, width: picture.width };
  if (asked === 'auto') return bucketOf(info, picture);
  const [height, width] = asked.split('x').map(Number);
  if (Math.min(height, width) < 32 || height * width > mostPixels) {
    throw new Problem(422, `size=${asked}: expected at least 32x32 and at most ${mostPixels} pixels`);
  }
  return { height, width };
}

/** Steps of an octave that sides are rounded to: off by at most 4.4 %. */
const perOctave = 8;
/** Sides are multiples of this, so that no stride of VNet leaves a remainder. */
const unit = 8;
/** Side that steps are counted from where a model does not say what it was trained on. */
const usual = 512;

/**
 * The size a picture is shown to a model at: what {@link fittingSize} gives, each side rounded to a grid of few sides,
 * so that pictures of any number of sizes need few arenas. A picture of the size the model was trained on is shown as it
 * is.
 */
export function bucketOf(info: Pick<ModelInfo, 'trained'>, image: PixelSize): PixelSize {
  const [height, width] = fittingSize(info, image) ?? [image.height, image.width];
  const [trainedHeight, trainedWidth] = info.trained.image ?? [usual, usual];
  return { height: round(height, trainedHeight), width: round(width, trainedWidth) };
}

function round(side: number, trained: number): number {
  const steps = Math.round(perOctave * Math.log2(side / trained));
  if (steps === 0) return trained;
  return Math.max(32, unit * Math.round((trained * 2 ** (steps / perOctave)) / unit));
}
