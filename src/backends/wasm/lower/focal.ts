import type { WasmKernel } from '../stage.js';
import { pointers, scratchPointer } from '../stage.js';
import { bandArgs, bandsOf } from './lossBands.js';
import { softmaxLossArgs, softmaxLossBytes } from './softmaxLoss.js';

export const focal: WasmKernel<'focal'> = {
  scratchBytes: (call) => bandsOf(call).bytes,
  lower(call) {
    const { gamma, radius, boundary } = call.attrs;
    const { classWeights } = call.inputs;
    const { chunks, scaling } = bandsOf(call);
    const args = {
      ...softmaxLossArgs(call, bandArgs(call, scratchPointer(call))),
      ...{ table: 0, bins: 1, ...pointers({ classWeights }), gamma, radius, boundary },
    };
    return [
      { kernel: 'softmaxLoss', chunks, args, localBytes: softmaxLossBytes(call) },
      { kernel: 'softmaxLossJoin', chunks: 1, args },
      { kernel: 'softmaxLossScale', chunks: scaling.chunks, args },
    ];
  },
};
