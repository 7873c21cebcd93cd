import type { WasmKernel } from '../stage.js';
import { cutPixels, f32, pixelsOf, strided } from '../stage.js';

export const normalizeImage: WasmKernel<'normalizeImage'> = {
  lower({ inputs: { x }, outputs: { y }, attrs: { mean, std } }) {
    const { per, chunks } = cutPixels(y);
    const coefficients = mean.flatMap((m, c) => [f32(1 / (255 * std[c])), f32(-m / std[c])]);
    const args = [...strided(x), ...strided(y), y.shape[3], pixelsOf(y), per, ...coefficients];
    return [{ kernel: 'normalizeImage', chunks, args }];
  },
};
