import * as v from 'valibot';
import { imageNorm } from './normalization.js';

/**
 * A whole number in [`low`, `high`]. Every number of a configuration has an upper end, far above what anybody trains:
 * it may come from a file, and what it asks for must not take memory or minutes before it is refused.
 */
export const whole = (low: number, high: number) =>
  v.pipe(v.number(), v.integer(), v.minValue(low), v.maxValue(high));

const three = v.strictTuple([v.number(), v.number(), v.number()]);

/** What every network's configuration has: the number of classes, and what the image is normalised with. */
export const commonOptions = {
  classes: whole(2, 255),
  /** Of RGB bytes, `(x/255 − mean)/std`. Default: the statistics of ImageNet; imported weights bring their own. */
  normalization: v.optional(v.strictObject({ mean: three, std: three }), {
    mean: [...imageNorm.mean],
    std: [...imageNorm.std],
  }),
};

/** Of networks whose published code resizes that way. */
export const cornerOptions = {
  /** Feature maps and logits are resized with the corners aligned, as in the published code. Default true. */
  alignCorners: v.optional(v.boolean(), true),
};
