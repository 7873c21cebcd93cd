import type { WasmKernel } from '../stage.js';
import { overPixels, pointers, strided } from '../stage.js';

export const rescale: WasmKernel<'rescale'> = {
  lower({ inputs: { x, factor }, outputs: { y }, attrs }) {
    const { chunks, range } = overPixels(y);
    const invert = attrs.invert ? 1 : 0;
    const args = { ...strided({ x, y }), ...range, ...pointers({ factor }), invert };
    return [{ kernel: 'rescale', chunks, args }];
  },
};
