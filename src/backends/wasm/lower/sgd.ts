import { sizeOf } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers } from '../stage.js';

export const sgd: WasmKernel<'sgd'> = {
  lower({ inputs, outputs }) {
    const count = sizeOf(inputs.param.shape);
    const { per, chunks } = cut(count, 8192);
    return [
      { kernel: 'sgd', chunks, args: { ...pointers({ ...inputs, ...outputs }), count, perChunk: per } },
    ];
  },
};
