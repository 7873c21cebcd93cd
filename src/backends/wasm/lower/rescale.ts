import type { WasmKernel } from '../stage.js';
import { cutPixels, pixelsOf, pointer, strided } from '../stage.js';

export const rescale: WasmKernel<'rescale'> = {
  lower({ inputs: { x, factor }, outputs: { y }, attrs: { invert } }) {
    const { per, chunks } = cutPixels(y);
    return [
      {
        kernel: 'rescale',
        chunks,
        args: [...strided(x), ...strided(y), y.shape[3], pixelsOf(y), per, pointer(factor), invert ? 1 : 0],
      },
    ];
  },
};
