import type { CallFor } from '../../../graph/planned.js';
import type { LossBands } from '../abi.js';
import { sizes } from '../abi.js';
import { strided } from '../stage.js';
import { axes, rowBytes } from './resize.js';

/** A loss of pixels' class probabilities: all but `crossEntropy`, which has a faster kernel of its own. */
type Call = CallFor<'focal'> | CallFor<'dice'> | CallFor<'lovasz'>;

/** What every such kernel takes. */
export const softmaxLossArgs = ({ inputs: { logits, labels }, attrs }: Call, out: LossBands) => ({
  ...strided({ logits, labels }),
  ...{ ignore: attrs.ignore, out, axes: axes(logits, labels, attrs) },
});

/** Exponentials and gradients of eight pixels per class; four rows of coarse pixels. */
export const softmaxLossBytes = ({ inputs: { logits } }: Call): number =>
  sizes.EightPixels + 64 * Math.ceil(logits.shape[3] / 4) * 4 + 4 * rowBytes(logits);
