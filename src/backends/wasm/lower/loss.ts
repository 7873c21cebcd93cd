import { expLogBytes, groupsPerTurn, sizes } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { pointers, scratchPointer, strided } from '../stage.js';
import { bandArgs, bandsOf } from './lossBands.js';
import { denseBytes, denseStages, isDense } from './lossDense.js';
import { axes, rowBytes, stepOf } from './resize.js';

export const crossEntropy: WasmKernel<'crossEntropy'> = {
  scratchBytes: (call) => (isDense(call) ? denseBytes(call) : bandsOf(call).bytes),
  lower(call) {
    if (isDense(call)) return denseStages(call, scratchPointer(call));
    const { logits, labels, classWeights } = call.inputs;
    const { ignore, labelSmoothing: smoothing } = call.attrs;
    const [, , width, classes] = logits.shape;
    const { chunks, scaling } = bandsOf(call);
    const args = {
      ...{ ...strided({ logits, labels }), ...pointers({ classWeights }), ignore, smoothing },
      step: stepOf(width, labels.shape[2], call.attrs),
      out: bandArgs(call, scratchPointer(call)),
      axes: axes(logits, labels, call.attrs),
    };
    const pixel = Math.ceil(classes / 8) * 32;
    const localBytes =
      // Exponentials of eight pixels per class; constants; what groups need.
      sizes.EightPixels +
      32 * Math.ceil(classes / 4) * 4 +
      expLogBytes +
      pixel +
      groupsPerTurn * (sizes.EvenGroup + 2 * pixel) +
      256 +
      // Four rows of coarse pixels, and the range of each.
      2 * width * pixel +
      2 * rowBytes(logits) +
      8 * width;
    return [
      { kernel: 'crossEntropy', chunks, args, localBytes },
      { kernel: 'crossEntropyJoin', chunks: 1, args },
      { kernel: 'crossEntropyScale', chunks: scaling.chunks, args },
    ];
  },
};
