import { Rng } from '../rng.js';
import type { Augmentation, Pair, SizePolicy } from './augmentation.js';
import { drawColour, recolourInPlace } from './colour.js';
import { offsetAround, rarePixel } from './rareCrop.js';
import { imagenetMean, resample, type View } from './resample.js';
import { drawProjection, warp } from './warp.js';

/**
 * The random stream of one sample in one epoch. It depends on nothing else, so neither the order of work nor
 * the number of workers nor a resumed run changes a sample.
 * @param index position of the sample in its sorted split.
 */
export function sampleRng(seed: number, epoch: number, index: number): Rng {
  return Rng.of(0x617567, seed, epoch, index);
}

/** The size that {@link prepare} gives an image. */
export function preparedSize(
  image: { height: number; width: number },
  size: SizePolicy,
): { height: number; width: number } {
  if (size === 'full') return { height: image.height, width: image.width };
  const [height, width] = 'crop' in size ? size.crop : size.resize;
  return { height, width };
}

/**
 * Applies the size policy and, with `augment`, random flip, zoom, placement, rotation, perspective and
 * colour. Without `augment` the
 * result is fixed: crops are taken from the middle. Does not change its input, but may return it.
 * @param into where to write the result, of the prepared size; default: memory of its own. Without a zoom, and with
 * size `full`, image or labels or both may be the input's.
 */
export function prepare(
  pair: Pair,
  size: SizePolicy,
  augment: Augmentation | undefined,
  rng: Rng,
  into?: Pair,
): Pair {
  const { width, height } = pair.image;
  const prepared = preparedSize(pair.image, size);
  const target = [prepared.height, prepared.width];
  const base = size !== 'full' && 'resize' in size ? [target[0] / height, target[1] / width] : [1, 1];
  // All numbers are drawn first and always, so that switching one change off leaves the others as they were.
  const [uFlip, uScale, uX, uY] = [rng.next(), rng.next(), rng.next(), rng.next()];
  const factors = [rng.next(), rng.next(), rng.next()];
  const light = [rng.next(), rng.next(), rng.next()];
  const [turn, aim] = [Rng.of(rng.uint32()), Rng.of(rng.uint32())];
  const flip = augment !== undefined && augment.flip !== false && uFlip < 0.5;
  const [low, high] = augment?.scale ?? [1, 1];
  // Uniform in the logarithm: shrinking by 2 is as likely as enlarging by 2.
  const zoom = low * (high / low) ** uScale;
  const view: View = {
    height: target[0],
    width: target[1],
    scaleY: base[0] * zoom,
    scaleX: base[1] * zoom,
    offsetY: offset(height * base[0] * zoom, target[0], augment ? uY : 0.5),
    offsetX: offset(width * base[1] * zoom, target[1], augment ? uX : 0.5),
    flip,
  };
  const around = aim.chance(augment?.rareCrops ?? 0) ? rarePixel(pair.labels, aim) : undefined;
  if (around) {
    view.offsetY = offsetAround(around.y * view.scaleY, height * view.scaleY, target[0], uY);
    view.offsetX = offsetAround(around.x * view.scaleX, width * view.scaleX, target[1], uX);
  }
  const projection = augment && drawProjection(augment, view, turn);
  const mean = augment?.mean ?? imagenetMean;
  const out = projection ? warp(pair, view, projection, mean, into) : resample(pair, view, mean, into);
  const colour = drawColour(augment, factors, light);
  if (!colour) return out;
  const image =
    !into && out.image === pair.image ? { ...out.image, data: Uint8Array.from(out.image.data) } : out.image;
  recolourInPlace(image, colour);
  return { image, labels: out.labels };
}

/** Where the window starts in the scaled image; negative where the image is smaller and gets padded. */
function offset(scaled: number, target: number, u: number): number {
  const room = Math.round(scaled) - target;
  return room >= 0 ? Math.floor(u * (room + 1 - 1e-9)) : -Math.floor(u * (1 - room - 1e-9));
}
