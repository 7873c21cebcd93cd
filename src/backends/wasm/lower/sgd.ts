import { sizeOf } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers } from '../stage.js';

export const sgd: WasmKernel<'sgd'> = {
  lower({ inputs, outputs }) {
    const { span, chunks } = cut(sizeOf(inputs.param.shape), 8192);
    const args = { ...pointers({ ...inputs, ...outputs }), elements: span };
    return [{ kernel: 'sgd', chunks, args }];
  },
};
