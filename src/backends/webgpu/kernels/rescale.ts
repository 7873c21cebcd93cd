import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const rescale: GpuKernel<'rescale'> = {
  lower: ({ inputs, outputs, attrs: { invert } }) => [
    perQuad(
      inputs.x.shape,
      { ...inputs, ...outputs },
      `y_sq(p, c, x_q(p, c) ${invert ? '/' : '*'} factor_ld(0u));`,
    ),
  ],
};
