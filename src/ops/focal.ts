import { sizeOf } from '../ir/value.js';
import type { LossAttrs, LossInputs, LossOutputs } from './loss.js';
import { lossRules } from './loss.js';
import type { OpDef } from './op.js';

export interface FocalAttrs extends LossAttrs {
  /** γ ≥ 0: how much easy pixels are passed over; 0 is cross-entropy. */
  readonly gamma: number;
  /** Pixels of which another label is at most so many rows and columns away count as boundary; 0: none do. */
  readonly radius: number;
  /** How many times the loss of boundary pixels counts besides. */
  readonly boundary: number;
}

/**
 * Focal loss ("Focal Loss for Dense Object Detection", Lin et al. 2017) with more weight at the boundaries of what is
 * labelled; with γ = 0 it is boundary-weighted cross-entropy. Shapes are those of `crossEntropy`.
 *
 * With p the softmax probability of a pixel's own class, `w` the weight of that class, and `m = 1 + boundary` where a
 * pixel of another class lies in the square of `2·radius + 1` pixels around it, else 1:
 * `loss` = `Σ w·m·(1 − p)^γ·(−ln p) / Σ w·m`, then `Σ w·m`.
 */
export const focal: OpDef<LossInputs, LossOutputs, FocalAttrs> = {
  ...lossRules('focal'),
  flops: ({ inputs: { logits, labels }, attrs }) =>
    sizeOf(labels.shape) * (30 * logits.shape[3] + (attrs.radius > 0 ? (2 * attrs.radius + 1) ** 2 : 0)),
};
