import { sizeOf } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, pointers, scratchPointer } from '../stage.js';

const pieces = (elements: number) => cut(elements, 8192);

export const guard: WasmKernel<'guard'> = {
  scratchBytes: ({ inputs: { grad } }) => 8 * pieces(sizeOf(grad.shape)).chunks,
  lower(call) {
    const { inputs, outputs, attrs } = call;
    const { span, chunks } = pieces(sizeOf(inputs.grad.shape));
    const vectors = { still: attrs.still, hyperLength: attrs.still.length };
    const sums = { elements: span, partials: scratchPointer(call), chunks };
    const args = { ...pointers({ ...inputs, ...outputs }), ...vectors, ...sums };
    return [
      { kernel: 'guardSquares', chunks, args },
      { kernel: 'guardNorm', chunks: 1, args },
      { kernel: 'guardGrad', chunks, args },
    ];
  },
};
