import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const average: GpuKernel<'average'> = {
  lower: ({ inputs, outputs }) => [
    perQuad(
      inputs.x.shape,
      { ...inputs, ...outputs },
      'let a = average_q(0u, c); newAverage_sq(0u, c, a + (1f - decay_ld(0u)) * (x_q(0u, c) - a));',
    ),
  ],
};
