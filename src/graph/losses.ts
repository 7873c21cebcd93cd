import type { Value } from '../ir/value.js';
import type { LossAttrs } from '../ops/loss.js';
import type { Builder } from './builder.js';

/** Losses that a training can minimise, by the names that recipes have for them. */
export const lossKinds = ['ce', 'focal', 'boundary', 'dice', 'lovasz'] as const;

/** One loss of a sum. */
export interface LossTerm {
  /**
   * `ce`: cross-entropy; `focal`: less of easy pixels; `boundary`: cross-entropy with more weight at the boundaries of
   * what is labelled; `dice`, `lovasz`: of whole classes, by overlap and by IoU.
   */
  readonly kind: (typeof lossKinds)[number];
  /** Share in what is minimised. Default 1. */
  readonly weight?: number;
  /** Of `focal`. Default 2. */
  readonly gamma?: number;
  /** Of `boundary`, in pixels. Default 2. */
  readonly radius?: number;
  /** Of `boundary`: how many times its pixels count besides. Default 2. */
  readonly boundary?: number;
}

/** What the losses of one head are of. */
export interface LossOperands {
  readonly logits: Value;
  readonly labels: Value;
  /** The labels of hard pixels, where others have none; losses of whole classes take all. */
  readonly hard: Value;
  /** Of losses of single pixels. */
  readonly classWeights?: Value;
}

/**
 * Emits the losses of one head. The first is what a training tells as its loss; all are minimised.
 * @param share of all of them, for heads that count less.
 * @returns what each op gives as `loss`, in the order of the terms.
 */
export function emitLosses(
  b: Builder,
  { logits, labels, hard, classWeights }: LossOperands,
  terms: readonly LossTerm[],
  { labelSmoothing, ...shared }: LossAttrs & { readonly labelSmoothing: number },
  label: string,
  share = 1,
): Value[] {
  return terms.map(({ kind, weight = 1, gamma = 2, radius = 2, boundary = 2 }, i) => {
    const attrs = { ...shared, weight: share * weight };
    const at = { label: i === 0 ? label : `${label}.${kind}` };
    const pixels = { logits, labels: hard, classWeights };
    switch (kind) {
      case 'ce':
        return b.emit('crossEntropy', pixels, { ...attrs, labelSmoothing }, at).loss;
      case 'focal':
        return b.emit('focal', pixels, { ...attrs, gamma, radius: 0, boundary: 0 }, at).loss;
      case 'boundary':
        return b.emit('focal', pixels, { ...attrs, gamma: 0, radius, boundary }, at).loss;
      default:
        return b.emit(kind, { logits, labels }, attrs, at).loss;
    }
  });
}
