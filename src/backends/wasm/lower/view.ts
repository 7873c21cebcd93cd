import type { TensorRef } from '../../../graph/planned.js';
import { elementBytes } from '../../../ir/value.js';
import type { WasmKernel } from '../stage.js';
import { cut, overPixels, pixelsOf, strided } from '../stage.js';

const isDense = (ref: TensorRef): boolean => ref.pixelStride === ref.shape[3];

export const copy: WasmKernel<'copy'> = {
  lower({ inputs: { x }, outputs: { y } }) {
    const bytes = x.shape[3] * elementBytes[x.dtype];
    const { span, chunks } = cut(pixelsOf(x), 65536 / bytes);
    return [
      {
        kernel: isDense(x) && isDense(y) ? 'copyDense' : 'copy',
        chunks,
        args: { ...strided({ x, y }), bytes, pixels: span },
      },
    ];
  },
};

export const add: WasmKernel<'add'> = {
  lower({ inputs: { a, b }, outputs: { y }, attrs: { sign } }) {
    const { chunks, range } = overPixels(y);
    return [{ kernel: 'add', chunks, args: { ...strided({ a, b, to: y }), ...range, sign } }];
  },
};

export const scale: WasmKernel<'scale'> = {
  lower({ inputs: { x }, outputs: { y }, attrs: { factor } }) {
    const { chunks, range } = overPixels(y);
    return [{ kernel: 'scale', chunks, args: { ...strided({ x, to: y }), ...range, factor } }];
  },
};
