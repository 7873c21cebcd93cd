import type { ModelInfo } from '../model/format.js';
import type { PredictOptions } from './predict.js';

/**
 * How many times longer a picture's side may be than in training. A model of CamVid, trained on 360×480, scored 57.7 %
 * on test images of that size, 58.7 % on the same resized to 1.2 and 1.5 times the side, 56.7 % at twice the side.
 */
const mostZoom = 1.5;

/**
 * How many times a small picture's side is enlarged at most: what was never in the pixels does not come back. CamVid's
 * images at 180×240 score 67.0 % shown at twice the side, 70.4 % at three times, 66.7 % at four times.
 */
const mostEnlarging = 3;

/**
 * Sides that the model sees are multiples of this: the logits of VNet and most others have an eighth of the resolution,
 * and are stretched over the picture where a side is not.
 */
const unit = 8;

/** Options of a view of a picture whose size the model may decide. */
export interface FittingOptions extends Omit<PredictOptions, 'resize'> {
  /**
   * Resize the picture to this before and the labels (nearest pixel) back after; `own`: never. Default: what suits the
   * model ({@link fittingSize}), where no `window` is given.
   */
  readonly resize?: PredictOptions['resize'] | 'own';
}

/**
 * The size at which a model should see a picture: `undefined` where its own will do, or where the model does not say
 * what it was trained on. In a smaller picture things are smaller than any that the model has learnt, so one that is
 * smaller than those of training is shown with as many pixels as they have, or at {@link mostEnlarging} times its
 * side, and one of more than {@link mostZoom} times their side with so many; in the picture's own proportions, but for
 * sides in whole eights. What this is worth on CamVid's validation images stands in docs/experiments.md.
 */
export function fittingSize(
  { trained }: Pick<ModelInfo, 'trained'>,
  { height, width }: { readonly height: number; readonly width: number },
): [height: number, width: number] | undefined {
  // Pictures below 32×32 are refused, not enlarged.
  if (!trained.image || Math.min(height, width) < 32) return undefined;
  const side = Math.sqrt((trained.image[0] * trained.image[1]) / (height * width));
  const zoom = Math.max(Math.min(1, mostZoom * side), Math.min(side, mostEnlarging));
  const [shownHeight, shownWidth] = [height, width].map((own) =>
    Math.max(32, unit * Math.round((own * zoom) / unit)),
  );
  return shownHeight === height && shownWidth === width ? undefined : [shownHeight, shownWidth];
}

/** Options for one picture: where they leave the size to the model, its size. */
export function fitted(
  { resize, ...options }: FittingOptions,
  info: Pick<ModelInfo, 'trained'>,
  picture: { readonly height: number; readonly width: number },
): PredictOptions {
  if (resize === 'own') return options;
  return { ...options, resize: resize ?? (options.window ? undefined : fittingSize(info, picture)) };
}
