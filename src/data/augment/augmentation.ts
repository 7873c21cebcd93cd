import { UserError } from '../../errors.js';
import type { Rgb } from '../classes.js';
import type { LabelImage, RgbImage } from '../image.js';

/** An image with its labels as train ids, of equal size. */
export interface Pair {
  image: RgbImage;
  labels: LabelImage;
}

/** The size a sample gets: its own, a crop (padded where the image is smaller), or resized. */
export type SizePolicy =
  | 'full'
  | { crop: readonly [h: number, w: number] }
  | { resize: readonly [h: number, w: number] };

/** Strength of colour jitter: each factor is drawn from [1 − amount, 1 + amount]. */
export interface Jitter {
  brightness: number;
  contrast: number;
  saturation: number;
}

/** Random changes of training samples. */
export interface Augmentation {
  /** Mirror half of the samples. Default true. */
  flip?: boolean;
  /** Range of a random zoom, such as [0.75, 1.75]. Default none. The output keeps its size. */
  scale?: readonly [low: number, high: number];
  /** One amount for brightness, contrast and saturation, or one each; 0 to 1. Default none. */
  jitter?: number | Jitter;
  /** Other exposure: v → v^γ on [0, 1], log γ uniform in ± log(1 + gamma); 0 to 4. Default none. */
  gamma?: number;
  /** Other colour of light: red and blue each times a factor of [1 − balance, 1 + balance]; 0 to 1. Default none. */
  balance?: number;
  /** Colour of padding. Default: the ImageNet mean. */
  mean?: Rgb;
}

/**
 * @throws UserError for amounts out of range; `flag` names the setting in the message.
 */
export function checkAugmentation(augment: Augmentation): void {
  const { scale } = augment;
  if (scale && !(scale[0] > 0.05 && scale[0] <= scale[1] && scale[1] <= 20)) {
    throw new UserError(
      `augment.scale is [${scale.join(', ')}]; expected [low, high] with 0.05 < low ≤ high ≤ 20`,
    );
  }
  for (const [name, value] of Object.entries(jitterOf(augment.jitter))) {
    if (!(value >= 0 && value <= 1))
      throw new UserError(`augment.jitter ${name} is ${value}; expected 0 to 1`);
  }
  const { gamma = 0, balance = 0 } = augment;
  if (!(gamma >= 0 && gamma <= 4)) throw new UserError(`augment.gamma is ${gamma}; expected 0 to 4`);
  if (!(balance >= 0 && balance <= 1)) throw new UserError(`augment.balance is ${balance}; expected 0 to 1`);
}

/** One amount for each change of colour. */
export function jitterOf(jitter: Augmentation['jitter']): Jitter {
  if (typeof jitter === 'number') return { brightness: jitter, contrast: jitter, saturation: jitter };
  return jitter ?? { brightness: 0, contrast: 0, saturation: 0 };
}
