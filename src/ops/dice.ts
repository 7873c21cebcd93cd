import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { LossAttrs, LossOutputs } from './loss.js';
import { lossRules } from './loss.js';
import type { OpDef } from './op.js';

/**
 * Soft Dice loss ("V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation", Milletari et
 * al. 2016, with plain sums as most implementations have them): over the classes that some label of the batch has, the
 * mean of `1 − 2·Σ_{label = c} p_c / (Σ p_c + #{label = c})`, sums over the labelled pixels of the batch, p the softmax
 * of the resized logits. Shapes are those of `crossEntropy`; `loss` is the loss and the number of labelled pixels.
 */
export const dice: OpDef<{ logits: Value; labels: Value }, LossOutputs, LossAttrs> = {
  ...lossRules('dice'),
  flops: ({ inputs: { logits, labels } }) => 50 * sizeOf(labels.shape) * logits.shape[3],
};
