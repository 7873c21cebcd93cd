import { imageCoefficients } from '../../../ops/image.js';
import type { WasmKernel } from '../stage.js';
import { overPixels, strided } from '../stage.js';

export const normalizeImage: WasmKernel<'normalizeImage'> = {
  lower({ inputs: { x }, outputs: { y }, attrs }) {
    const { chunks, range } = overPixels(y);
    const { scale, shift } = imageCoefficients(attrs);
    const coefficients = scale.flatMap((each, c) => [each, shift[c]]);
    return [{ kernel: 'normalizeImage', chunks, args: { ...strided({ x, y }), ...range, coefficients } }];
  },
};
