import { sizes } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { pointers, scratchPointer, strided } from '../stage.js';
import { bandArgs, bandsOf } from './lossBands.js';
import { axes, rowBytes, stepOf } from './resize.js';

export const crossEntropy: WasmKernel<'crossEntropy'> = {
  scratchBytes: (call) => bandsOf(call).bytes,
  lower(call) {
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
    // Exponentials of eight pixels per class; four rows of coarse pixels.
    const localBytes = sizes.EightPixels + 32 * Math.ceil(classes / 4) * 4 + 4 * rowBytes(logits);
    return [
      { kernel: 'crossEntropy', chunks, args, localBytes },
      { kernel: 'crossEntropyJoin', chunks: 1, args },
      { kernel: 'crossEntropyScale', chunks: scaling.chunks, args },
    ];
  },
};
