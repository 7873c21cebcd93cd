import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectShape } from './fit.js';
import type { OpDef } from './op.js';
import type { Corners } from './resize.js';

export interface HardLabelsAttrs extends Corners {
  /** Labels of this value stay what they are; pixels that are left out get it. */
  readonly ignore: number;
  /** Pixels whose own class has at most this probability are hard; 0 to 1. */
  readonly threshold: number;
  /** At least this share of the labelled pixels is kept, the hardest first; 0 to 1. */
  readonly least: number;
}

/** Hardness of a pixel that carries no label. */
export const UNLABELLED = 255;

/**
 * Hardness as a byte, 0 to 254: `⌊255·(1 − p)^¼⌋` with p the probability of the pixel's own class. The root spreads
 * the confident pixels, of which a trained network has most, over as many steps as the others.
 */
export const hardnessOf = (rest: number): number => Math.min(254, Math.floor(255 * rest ** 0.25));

/**
 * Online hard example mining ("Training Region-based Object Detectors with Online Hard Example Mining", Shrivastava
 * et al. 2016, as segmentation uses it): labels of easy pixels become `ignore`, so that the loss is that of the hard
 * ones. `logits`: `N×h×w×classes`, upsampled bilinearly; `labels`: `N×H×W×1` u8; `hard`: the labels that stay.
 *
 * A pixel is kept if its hardness is at least that of `threshold`; where these are less than `least` of the labelled
 * pixels of the batch, all pixels as hard as the hardest `least` are.
 */
export const hardLabels: OpDef<{ logits: Value; labels: Value }, { hard: Value }, HardLabelsAttrs> = {
  infer({ logits, labels }) {
    expectShape('hardLabels', labels, [logits.shape[0], labels.shape[1], labels.shape[2], 1]);
    return { hard: { shape: labels.shape, dtype: 'u8' } };
  },
  flops: ({ inputs: { logits, labels } }) => 20 * sizeOf(labels.shape) * logits.shape[3],
};
