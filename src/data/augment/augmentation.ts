import * as v from 'valibot';
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

const upTo = (most: number) => v.pipe(v.number(), v.minValue(0), v.maxValue(most));
const share = upTo(1);
const zoom = v.pipe(v.number(), v.gtValue(0.05), v.maxValue(20));

/** Random changes of training samples; what is absent is not done. Amounts are the largest, probabilities per sample. */
export const augmentationSchema = v.partial(
  v.strictObject({
    /** Mirror half of the samples. Default true. */
    flip: v.boolean(),
    /** Range of a random zoom, such as [0.75, 1.75], uniform in its logarithm. The output keeps its size. */
    scale: v.pipe(
      v.strictTuple([zoom, zoom]),
      v.check(([low, high]) => low <= high, 'expected [low, high] with low ≤ high'),
    ),
    /** Rotation, uniform in ± this many degrees. */
    rotate: upTo(45),
    /** Perspective: each corner of the view moves by up to this share of the sides. */
    perspective: upTo(0.25),
    /** Probability that the view is placed around a pixel of a class drawn evenly from those in the image. */
    rareCrops: share,
    /** Probability that pixels of half of the classes of another sample are laid over this one (ClassMix). */
    classMix: share,
    /** Probability that a rectangle of another sample is laid over this one (CutMix). */
    cutMix: share,
    /** Probability that what belongs to small classes of another sample is laid over this one. */
    copyPaste: share,
    /** One amount for brightness, contrast and saturation, or one each: factors from [1 − amount, 1 + amount]. */
    jitter: v.union([share, v.strictObject({ brightness: share, contrast: share, saturation: share })]),
    /** Other exposure: v → v^γ on [0, 1], log γ uniform in ± log(1 + gamma). */
    gamma: upTo(4),
    /** Other colour of light: red and blue each times a factor of [1 − balance, 1 + balance]. */
    balance: share,
    /** Probability of shadows with soft edges across the picture. */
    shadow: share,
    /** Probability of fog, rain or a low sun. */
    weather: share,
    /** Gaussian blur of half of the samples, σ uniform up to this many pixels. */
    blur: upTo(8),
    /** Noise of half of the samples, σ uniform up to this many grey levels of 255. */
    noise: upTo(64),
    /** Probability of JPEG compression, quality uniform in 20 to 90. */
    jpeg: share,
    /** Colour of padding. Default: the ImageNet mean. */
    mean: v.custom<Rgb>(
      (value) => Array.isArray(value) && value.length === 3 && value.every((n) => n >= 0 && n <= 255),
      'expected three numbers from 0 to 255',
    ),
  }),
);

/** See {@link augmentationSchema}. */
export type Augmentation = v.InferOutput<typeof augmentationSchema>;

/**
 * @throws UserError for amounts out of range, or probabilities of mixing that sum to more than 1.
 */
export function checkAugmentation(augment: Augmentation): void {
  const parsed = v.safeParse(augmentationSchema, augment);
  if (!parsed.success) {
    const [{ message, path: steps = [] }] = parsed.issues;
    const path = steps.map(({ key }) => key as PropertyKey);
    const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown>)?.[key], augment);
    throw new UserError(
      `augment.${path.join('.')} is ${JSON.stringify(value)}: ${message.split('\n')[0]}`,
      2,
    );
  }
  const { classMix = 0, cutMix = 0, copyPaste = 0 } = augment;
  const sum = classMix + cutMix + copyPaste;
  if (sum > 1 + 1e-9) {
    throw new UserError(
      `augment: classMix, cutMix and copyPaste are probabilities of which one happens; they sum to ${sum.toFixed(2)}, expected at most 1`,
      2,
    );
  }
}

/** Augmentations by one name; `strong` has every change there is. */
export const augmentationPresets = {
  light: { flip: true, scale: [0.75, 1.75], jitter: 0.4 },
  colour: { flip: true, scale: [0.7, 2], jitter: 0.5, gamma: 0.6, balance: 0.15 },
  strong: {
    flip: true,
    scale: [0.7, 2],
    rotate: 5,
    perspective: 0.05,
    rareCrops: 0.5,
    classMix: 0.2,
    cutMix: 0.1,
    copyPaste: 0.3,
    jitter: 0.5,
    gamma: 0.6,
    balance: 0.15,
    shadow: 0.3,
    weather: 0.2,
    blur: 1.2,
    noise: 10,
    jpeg: 0.2,
  },
} as const satisfies Record<string, Augmentation | Readonly<Augmentation>>;
