import type { CallFor } from '../../../graph/planned.js';
import { sizes } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers, scratchPointer, strided } from '../stage.js';
import { axes, rowBytes, stepOf } from './resize.js';

/** Coarse rows per chunk. */
const bandRows = 4;

/** Scratch: per band a row of gradients and two float64, then one float32. */
function layout({ inputs: { logits } }: CallFor<'crossEntropy'>) {
  const bands = Math.ceil(logits.shape[1] / bandRows);
  const chunks = bands * logits.shape[0];
  const belowBytes = Math.ceil(rowBytes(logits) / 64) * 64;
  const partials = chunks * belowBytes;
  const inverse = partials + 16 * chunks;
  return { bands, chunks, belowBytes, partials, inverse, bytes: inverse + 4 };
}

export const crossEntropy: WasmKernel<'crossEntropy'> = {
  scratchBytes: (call) => layout(call).bytes,
  lower(call) {
    const { logits, labels, classWeights } = call.inputs;
    const { loss, glogits } = call.outputs;
    const { ignore, labelSmoothing: smoothing } = call.attrs;
    const [images, height, width, classes] = logits.shape;
    const { bands, chunks, belowBytes, partials, inverse } = layout(call);
    const below = scratchPointer(call);
    const scaling = cut(images * height, 16384 / (width * classes));
    const padded = Math.ceil(classes / 4) * 4;
    const args = {
      ...{ ...strided({ logits, labels, glogits }), ...pointers({ classWeights, loss }) },
      ...{ classes, images, ignore, smoothing, bandRows, bands },
      ...{ below, belowBytes, partials: below + partials, inverse: below + inverse },
      ...{
        scaleRows: scaling.per,
        step: stepOf(width, labels.shape[2], call.attrs),
        axes: axes(logits, labels, call.attrs),
      },
    };
    // Exponentials of eight pixels per class; four rows of coarse pixels.
    const localBytes = sizes.EightPixels + 32 * padded + 4 * rowBytes(logits);
    return [
      { kernel: 'crossEntropy', chunks, args, localBytes },
      { kernel: 'crossEntropyJoin', chunks: 1, args },
      { kernel: 'crossEntropyScale', chunks: scaling.chunks, args },
    ];
  },
};
