import { sizeOf } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers } from '../stage.js';

export const average: WasmKernel<'average'> = {
  lower({ inputs, outputs }) {
    const { span, chunks } = cut(sizeOf(inputs.x.shape), 8192);
    const args = { ...pointers({ ...inputs, ...outputs }), elements: span };
    return [{ kernel: 'average', chunks, args }];
  },
};
