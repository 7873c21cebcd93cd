import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { expectShape, expectVectors } from './fit.js';
import type { OpDef } from './op.js';
import type { Corners } from './resize.js';

/** What all losses have in common. */
export interface LossAttrs extends Corners {
  /** Labels of this value carry no loss. */
  readonly ignore: number;
  /** Share of this loss in what is minimised; default 1. Scales the gradient, not the loss that is reported. */
  readonly weight?: number;
}

export interface LossInputs {
  readonly logits: Value;
  readonly labels: Value;
  readonly classWeights?: Value;
}

export interface LossOutputs {
  readonly loss: Value;
  readonly glogits: Value;
}

/** Shapes and gradient of a loss that is its own gradient in one pass. */
export const lossRules = <A extends LossAttrs>(
  name: string,
): Pick<OpDef<LossInputs, LossOutputs, A>, 'infer' | 'gradient' | 'loss'> => ({
  infer({ logits, labels, classWeights }) {
    expectShape(name, labels, [logits.shape[0], labels.shape[1], labels.shape[2], 1]);
    expectVectors(logits.shape[3], classWeights);
    return {
      loss: { shape: [1, 1, 1, 2], dtype: 'f32' },
      glogits: { shape: logits.shape, dtype: 'f32' },
    };
  },
  // The loss is where differentiation starts, so the incoming gradient is one.
  gradient: ({ outputs: { glogits }, attrs: { weight = 1 } }, _, { emit }) => ({
    logits: weight === 1 ? glogits : emit('scale', { x: glogits }, { factor: weight }).y,
  }),
  loss: 'glogits',
});

export interface CrossEntropyAttrs extends LossAttrs {
  /** ε: the target is `(1 − ε)·onehot + ε/classes`. */
  readonly labelSmoothing: number;
}

/**
 * Softmax cross-entropy at label resolution from coarse logits, loss and gradient in one pass; neither logits nor
 * probabilities exist at full resolution.
 *
 * `logits`: `N×h×w×classes`; `labels`: `N×H×W×1` u8; `classWeights`: `1×1×1×classes`, default ones.
 * With `z = resizeBilinear(logits)` and weight `w = classWeights[label]` at each labelled pixel:
 * `loss` is `1×1×1×2`: mean loss `Σ w·ce / Σ w` and `Σ w`; `glogits` is the gradient of the mean loss.
 * Where no pixel is labelled, loss and gradient are zero. A label that is neither a class nor `ignore` counts as
 * ignored here: readers of data reject it before.
 */
export const crossEntropy: OpDef<LossInputs, LossOutputs, CrossEntropyAttrs> = {
  ...lossRules('crossEntropy'),
  flops: ({ inputs: { logits, labels } }) => 30 * sizeOf(labels.shape) * logits.shape[3],
};
