import type { WasmKernel } from '../stage.js';
import { overPixels, pointers, scratchPointer, strided } from '../stage.js';
import { joinPartials, partialsOver } from './sums.js';

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
    const sums = partialsOver(x, 1);
    const { span, chunks, blockBytes } = sums;
    const partials = scratchPointer(call);
    const channels = x.shape[3];
    return [
      {
        kernel: 'preluGrad',
        chunks,
        args: {
          ...strided({ x, gy, gx }),
          ...pointers({ slope }),
          ...{ channels, pixels: span, partials, blockBytes },
        },
      },
      joinPartials(sums, partials, channels, gslope),
    ];
  },
};
