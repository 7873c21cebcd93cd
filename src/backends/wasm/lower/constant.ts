import type { WasmKernel } from '../stage.js';
import { overPixels, strided } from '../stage.js';

export const fill: WasmKernel<'fill'> = {
  lower({ outputs: { y }, attrs: { value } }) {
    const { chunks, range } = overPixels(y);
    return [{ kernel: 'fill', chunks, args: { ...strided({ y }), ...range, value } }];
  },
};
