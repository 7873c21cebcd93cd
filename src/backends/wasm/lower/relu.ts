import type { WasmKernel } from '../stage.js';
import { cutPixels, pixelsOf, strided } from '../stage.js';

export const reluGrad: WasmKernel<'reluGrad'> = {
  lower({ inputs: { y, gy }, outputs: { gx } }) {
    const { per, chunks } = cutPixels(gx);
    const args = [...strided(y), ...strided(gy), ...strided(gx), gx.shape[3], pixelsOf(gx), per];
    return [{ kernel: 'reluGrad', chunks, args }];
  },
};
