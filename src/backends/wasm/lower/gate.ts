import type { TensorRef } from '../../../graph/planned.js';
import type { Stage, WasmKernel, Word } from '../stage.js';
import { cutPixels, pixelsOf, pointer, strided } from '../stage.js';

/** A kernel on every element of `x` and perhaps of `g`. */
function onePoint(kernel: string, x: TensorRef, g: TensorRef | undefined, y: TensorRef): Stage[] {
  const { per, chunks } = cutPixels(y);
  const args: Word[] = [...strided(x), ...strided(g), ...strided(y), y.shape[3], pixelsOf(y), per];
  return [{ kernel, chunks, args }];
}

export const sigmoid: WasmKernel<'sigmoid'> = {
  lower: ({ inputs: { x }, outputs: { y } }) => onePoint('sigmoid', x, undefined, y),
};

export const sigmoidGrad: WasmKernel<'sigmoidGrad'> = {
  lower: ({ inputs: { y, gy }, outputs: { gx } }) => onePoint('sigmoidGrad', y, gy, gx),
};

export const multiply: WasmKernel<'multiply'> = {
  lower({ inputs: { a, b }, outputs: { y } }) {
    const { per, chunks } = cutPixels(y);
    const shared = pixelsOf(a) / pixelsOf(b);
    const args = [...strided(a), ...strided(b), ...strided(y), y.shape[3], pixelsOf(y), per, shared];
    return [{ kernel: 'multiply', chunks, args }];
  },
};

export const multiplySum: WasmKernel<'multiplySum'> = {
  lower({ inputs: { a, b }, outputs: { sum } }) {
    const [n, h, w, c] = a.shape;
    const blocks = Math.ceil(c / 16);
    const args = [...strided(a), ...strided(b), pointer(sum), 4 * sum.pixelStride, c, h, w, blocks];
    return [{ kernel: 'multiplySum', chunks: n * blocks, args }];
  },
};
