import { sizeOf } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers } from '../stage.js';

export const adam: WasmKernel<'adam'> = {
  lower({ inputs: { param, grad, m, v, hyper }, outputs: { newParam, newM, newV } }) {
    const { span, chunks } = cut(sizeOf(param.shape), 8192);
    const addresses = pointers({ param, grad, m, v, newParam, newM, newV, hyper });
    return [{ kernel: 'adam', chunks, args: { ...addresses, elements: span } }];
  },
};
