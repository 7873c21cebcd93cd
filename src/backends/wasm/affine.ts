import type { WasmKernel } from './lower.js';
import { cutPixels, f32, pixelsOf, pointer, strided } from './lower.js';

export const affine: WasmKernel<'affine'> = {
  lower({ inputs: { x, scale, shift, slope, residual }, outputs: { y }, attrs: { sign } }) {
    const { per, chunks } = cutPixels(y);
    return [
      {
        kernel: 'affine',
        chunks,
        args: [
          ...strided(x),
          pointer(scale),
          pointer(shift),
          pointer(slope),
          ...strided(residual),
          ...strided(y),
          y.shape[3],
          pixelsOf(y),
          per,
          f32(sign),
        ],
      },
    ];
  },
};
