import type { TensorRef } from '../../../graph/planned.js';
import type { Stage, WasmKernel } from '../stage.js';
import { overPixels, pixelsOf, pointers, strided } from '../stage.js';

/** A kernel on every element of `x` and perhaps of `g`. */
function onePoint(
  kernel: 'sigmoid' | 'sigmoidGrad',
  x: TensorRef,
  g: TensorRef | undefined,
  y: TensorRef,
): Stage[] {
  const { chunks, range } = overPixels(y);
  return [{ kernel, chunks, args: { ...strided({ x, g, y }), ...range } }];
}

export const sigmoid: WasmKernel<'sigmoid'> = {
  lower: ({ inputs: { x }, outputs: { y } }) => onePoint('sigmoid', x, undefined, y),
};

export const sigmoidGrad: WasmKernel<'sigmoidGrad'> = {
  lower: ({ inputs: { y, gy }, outputs: { gx } }) => onePoint('sigmoidGrad', y, gy, gx),
};

export const multiply: WasmKernel<'multiply'> = {
  lower({ inputs: { a, b }, outputs: { y } }) {
    const { chunks, range } = overPixels(y);
    const shared = pixelsOf(a) / pixelsOf(b);
    return [{ kernel: 'multiply', chunks, args: { ...strided({ a, b, y }), ...range, shared } }];
  },
};

export const multiplySum: WasmKernel<'multiplySum'> = {
  lower({ inputs: { a, b }, outputs: { sum } }) {
    const [images, height, width, channels] = a.shape;
    const blocks = Math.ceil(channels / 16);
    return [
      {
        kernel: 'multiplySum',
        chunks: images * blocks,
        args: {
          ...{ ...strided({ a, b }), ...pointers({ sum }), sumStride: 4 * sum.pixelStride },
          ...{ channels, height, width, blocks },
        },
      },
    ];
  },
};
