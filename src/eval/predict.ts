import type { Pair } from '../data/augment/augmentation.js';
import { flipPair, resizeLabels, resizePair } from '../data/augment/resample.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { UserError } from '../errors.js';
import type { Predictor } from './predictor.js';
import type { View } from './views.js';
import { fuseViews } from './views.js';

/** How an image is shown to the network. */
export interface PredictOptions {
  /** Resize the image to this before and the labels (nearest pixel) back after. Default: its own size. */
  readonly resize?: readonly [height: number, width: number];
  /** Test-time augmentation: mean class probabilities over these zooms. Default [1]. */
  readonly scales?: readonly number[];
  /** Test-time augmentation: also over the mirrored image. Default false. */
  readonly flip?: boolean;
  /** Largest part of an image to process at once; larger images are cut into overlapping windows. Default: none. */
  readonly window?: readonly [height: number, width: number];
}

/**
 * The class of each pixel of an image, at the image's size.
 * @param confidence takes each pixel's probability of its class, 0 to 255; labels are then those of the probabilities.
 * @throws UserError for images (or scaled images, or windows) below 32×32, or options out of range.
 */
export async function predictLabels(
  predictor: Pick<Predictor, 'labels' | 'logits'>,
  image: RgbImage,
  options: PredictOptions = {},
  confidence?: Uint8Array,
): Promise<LabelImage> {
  checkPredictOptions(options);
  const { height, width } = image;
  if (options.resize) {
    const { resize, ...rest } = options;
    const shown = resizeImage(image, resize[0], resize[1]);
    const certain = confidence && new Uint8Array(shown.height * shown.width);
    const labels = await predictLabels(predictor, shown, rest, certain);
    if (certain) confidence.set(resizeLabels({ ...shown, data: certain }, height, width).data);
    return resizeLabels(labels, height, width);
  }
  const { scales = [1], flip = false, window } = options;
  const whole = !window || (height <= window[0] && width <= window[1]);
  if (!confidence && whole && !flip && scales.length === 1 && scales[0] === 1) return predictor.labels(image);
  const views: View[] = [];
  for (const scale of scales) {
    const scaled = resizeImage(image, zoomed(height, scale), zoomed(width, scale));
    for (const [top, bottom] of spans(scaled.height, window?.[0])) {
      for (const [left, right] of spans(scaled.width, window?.[1])) {
        const part = crop(scaled, top, left, bottom, right);
        const place = placeOf(scaled, image, { top, left, bottom, right });
        views.push({ ...place, logits: await predictor.logits(part), flipped: false });
        if (flip) views.push({ ...place, logits: await predictor.logits(mirrored(part)), flipped: true });
      }
    }
  }
  return { height, width, data: fuseViews(views, height, width, confidence) };
}

/**
 * A side of an image at a zoom, in whole eights: logits are stretched over sides that are not, which costs two to three
 * points (docs/experiments.md). An image that isn't zoomed is shown as it is.
 */
export const zoomed = (side: number, zoom: number): number =>
  zoom === 1 ? side : 8 * Math.round((side * zoom) / 8);

/** The largest part of an image that the network sees at once with these options, and what is read from it. */
export function largestPart(
  { resize, scales = [1], flip = false, window }: PredictOptions,
  image: { readonly height: number; readonly width: number },
): { height: number; width: number; output: 'labels' | 'logits' } {
  const [height, width] = resize ?? [image.height, image.width];
  const zoom = Math.max(...scales);
  const whole = !window || (height <= window[0] && width <= window[1]);
  const plain = whole && !flip && scales.length === 1 && zoom === 1;
  return {
    height: Math.min(zoomed(height, zoom), window?.[0] ?? Number.POSITIVE_INFINITY),
    width: Math.min(zoomed(width, zoom), window?.[1] ?? Number.POSITIVE_INFINITY),
    output: plain ? 'labels' : 'logits',
  };
}

/** @throws UserError naming the option that is out of range. */
export function checkPredictOptions({ scales, window, resize }: PredictOptions): void {
  if (scales && (scales.length === 0 || !scales.every((scale) => scale >= 0.1 && scale <= 4))) {
    throw new UserError(`scales is [${scales.join(', ')}]; expected one or more numbers from 0.1 to 4`, 2);
  }
  for (const [name, size] of Object.entries({ window, resize })) {
    if (size && !size.every((side) => Number.isInteger(side) && side >= 32)) {
      throw new UserError(`${name} is ${size.join('×')}; expected height×width, whole numbers from 32`, 2);
    }
  }
}

/** Cuts a length into as few windows as possible that overlap by at least a quarter, spread evenly. */
export function spans(length: number, window = length): [start: number, end: number][] {
  if (length <= window) return [[0, length]];
  const count = Math.ceil((length - window) / (window * 0.75)) + 1;
  return Array.from({ length: count }, (_, i) => {
    const start = Math.round((i * (length - window)) / (count - 1));
    return [start, start + window];
  });
}

/** Where a part of the scaled image lies in the image: edges are rounded alike, so that neighbours touch. */
function placeOf(
  scaled: RgbImage,
  image: RgbImage,
  part: { top: number; left: number; bottom: number; right: number },
): Pick<View, 'top' | 'left' | 'height' | 'width'> {
  const y = (edge: number) => Math.round((edge * image.height) / scaled.height);
  const x = (edge: number) => Math.round((edge * image.width) / scaled.width);
  const [top, left] = [y(part.top), x(part.left)];
  return { top, left, height: y(part.bottom) - top, width: x(part.right) - left };
}

const unlabelled = (image: RgbImage): Pair => ({
  image,
  labels: { ...image, data: new Uint8Array(image.height * image.width) },
});

/** An image at another size, as `resize` shows it to the network. */
export const resizeImage = (image: RgbImage, height: number, width: number): RgbImage =>
  height === image.height && width === image.width
    ? image
    : resizePair(unlabelled(image), height, width).image;

/** An image left to right. */
export const mirrored = (image: RgbImage): RgbImage => flipPair(unlabelled(image)).image;

function crop(image: RgbImage, top: number, left: number, bottom: number, right: number): RgbImage {
  const [height, width] = [bottom - top, right - left];
  if (height === image.height && width === image.width) return image;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    const start = ((top + y) * image.width + left) * 3;
    data.set(image.data.subarray(start, start + width * 3), y * width * 3);
  }
  return { height, width, data };
}
