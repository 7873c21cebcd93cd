import { sizeOf } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers } from '../stage.js';

export const average: WasmKernel<'average'> = {
  lower({ inputs, outputs }) {
    const count = sizeOf(inputs.x.shape);
    const { per, chunks } = cut(count, 8192);
    return [
      { kernel: 'average', chunks, args: { ...pointers({ ...inputs, ...outputs }), count, perChunk: per } },
    ];
  },
};
