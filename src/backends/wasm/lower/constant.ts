import type { WasmKernel } from '../stage.js';
import { cutPixels, f32, pixelsOf, strided } from '../stage.js';

export const fill: WasmKernel<'fill'> = {
  lower({ outputs: { y }, attrs: { value } }) {
    const { per, chunks } = cutPixels(y);
    return [{ kernel: 'fill', chunks, args: [...strided(y), y.shape[3], pixelsOf(y), per, f32(value)] }];
  },
};
