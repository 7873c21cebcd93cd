import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const reluGrad: GpuKernel<'reluGrad'> = {
  lower: ({ inputs, outputs }) => [
    perQuad(
      inputs.gy.shape,
      { ...inputs, ...outputs },
      'gx_sq(p, c, select(vec4f(0f), gy_q(p, c), y_q(p, c) > vec4f(0f)));',
    ),
  ],
};
