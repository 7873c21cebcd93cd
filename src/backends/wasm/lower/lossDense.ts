import type { CallFor } from '../../../graph/planned.js';
import { expLogBytes } from '../abi.js';
import type { Stage } from '../stage.js';
import { cut, pixelsOf, pointer, pointers, strided } from '../stage.js';

type CrossEntropy = CallFor<'crossEntropy'>;

/** True where logits have the labels' size. */
export const isDense = ({ inputs: { logits, labels } }: CrossEntropy): boolean =>
  logits.shape[1] === labels.shape[1] && logits.shape[2] === labels.shape[2];

/** At least some 50 µs of pixels a chunk. */
const piecesOf = ({ inputs: { logits } }: CrossEntropy) => cut(pixelsOf(logits), 32768 / logits.shape[3]);

/** Per chunk two float64, then one float32. */
export const denseBytes = (call: CrossEntropy): number => 16 * piecesOf(call).chunks + 64;

export function denseStages(call: CrossEntropy, scratch: number): Stage[] {
  const { logits, labels, classWeights } = call.inputs;
  const { loss, glogits } = call.outputs;
  const { ignore, labelSmoothing: smoothing } = call.attrs;
  const { span, chunks } = piecesOf(call);
  const classes = logits.shape[3];
  const args = {
    ...{ ...strided({ logits, labels, glogits }), ...pointers({ classWeights }), classes },
    ...{ ignore, smoothing, pixels: span },
    sums: { loss: pointer(loss), partials: scratch, chunks, inverse: scratch + 16 * chunks },
  };
  return [
    { kernel: 'crossEntropyWeights', chunks, args },
    { kernel: 'crossEntropyDenseJoin', chunks: 1, args },
    { kernel: 'crossEntropyDense', chunks, args, localBytes: expLogBytes + 16 * Math.ceil(classes / 4) },
    { kernel: 'crossEntropyDenseJoin', chunks: 1, args },
  ];
}
