import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { LossAttrs, LossOutputs } from './loss.js';
import { lossRules } from './loss.js';
import type { OpDef } from './op.js';

/** Errors are told apart by the bin that they fall into. */
export const LOVASZ_BINS = 256;

/** The bin of an error in [0, 1]: `⌊256·√e⌋`, so that the many small ones are spread out. */
export const binOf = (error: number): number =>
  Math.min(LOVASZ_BINS - 1, Math.floor(LOVASZ_BINS * Math.sqrt(Math.max(0, error))));

/**
 * Lovász-softmax ("The Lovász-Softmax loss: a tractable surrogate for the optimization of the intersection-over-union
 * measure in neural networks", Berman et al. 2018), over the batch and the classes that some label of it has: the mean
 * of `Σ g(i)·e(i)`, with the errors e of the labelled pixels (`1 − p_c` where the label is c, else `p_c`) from the
 * largest down, and g(i) what the Jaccard loss of the first i pixels is more than that of the first i − 1.
 *
 * Nothing is sorted: errors are counted in {@link LOVASZ_BINS} bins, which takes memory by classes, not by pixels. Within
 * a bin, g is the mean of two orders, pixels of the class first and last; with P pixels of the class, F of them and
 * B others in the bins above, f and b in this one, and S = P + B: a pixel of the class has `(1/S + 1/(S + b))/2`, another
 * one `(P − F − f/2)/(S·(S + b))`. Their sum is what the bin adds to the Jaccard loss, so the result is the exact one of
 * errors moved by less than a bin: off by 1/128 at most. Shapes are those of `crossEntropy`; `loss` is the loss and
 * the number of labelled pixels.
 */
export const lovasz: OpDef<{ logits: Value; labels: Value }, LossOutputs, LossAttrs> = {
  ...lossRules('lovasz'),
  flops: ({ inputs: { logits, labels } }) => 55 * sizeOf(labels.shape) * logits.shape[3],
};
