import type { WasmKernel } from '../stage.js';
import { overPixels, pointers, scratchPointer, strided } from '../stage.js';
import { channelSums, partialsOver } from './sums.js';

export const prelu: WasmKernel<'prelu'> = {
  lower({ inputs: { x, slope }, outputs: { y } }) {
    const { chunks, range } = overPixels(y);
    return [
      { kernel: 'prelu', chunks, args: { ...strided({ x, to: y }), ...pointers({ slope }), ...range } },
    ];
  },
};

export const preluGrad: WasmKernel<'preluGrad'> = {
  scratchBytes: ({ inputs: { x } }) => partialsOver(x, 1).bytes,
  lower(call) {
    const { x, slope, gy } = call.inputs;
    const { gx, gslope } = call.outputs;
    const { chunks, range, join } = channelSums(x, scratchPointer(call), gslope);
    const args = { ...strided({ x, gy, gx }), ...pointers({ slope }), ...range };
    return [{ kernel: 'preluGrad', chunks, args }, join];
  },
};
