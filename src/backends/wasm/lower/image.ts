import type { WasmKernel } from '../stage.js';
import { overPixels, strided } from '../stage.js';

export const normalizeImage: WasmKernel<'normalizeImage'> = {
  lower({ inputs: { x }, outputs: { y }, attrs: { mean, std } }) {
    const { chunks, range } = overPixels(y);
    const coefficients = mean.flatMap((m, c) => [1 / (255 * std[c]), -m / std[c]]);
    return [{ kernel: 'normalizeImage', chunks, args: { ...strided({ x, y }), ...range, coefficients } }];
  },
};
