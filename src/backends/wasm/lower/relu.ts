import type { WasmKernel } from '../stage.js';
import { overPixels, strided } from '../stage.js';

export const reluGrad: WasmKernel<'reluGrad'> = {
  lower({ inputs: { y: result, gy: g }, outputs: { gx } }) {
    const { chunks, range } = overPixels(gx);
    return [{ kernel: 'reluGrad', chunks, args: { ...strided({ result, g, y: gx }), ...range } }];
  },
};
