import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const foldCoefficients: GpuKernel<'foldCoefficients'> = {
  lower: ({ inputs, outputs, attrs: { eps } }) => [
    perQuad(
      inputs.gamma.shape,
      { ...inputs, ...outputs },
      `let s = gamma_q(0u, c) / sqrt(variance_q(0u, c) + ${f32(eps)});
  scale_sq(0u, c, s);
  shift_sq(0u, c, beta_q(0u, c) - mean_q(0u, c) * s);`,
    ),
  ],
};
