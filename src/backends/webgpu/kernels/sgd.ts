import { sgdHyper as hyper } from '../../../ops/sgd.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const sgd: GpuKernel<'sgd'> = {
  lower: ({ inputs, outputs }) => [
    perQuad(
      inputs.param.shape,
      { ...inputs, ...outputs },
      `let old = param_q(0u, c);
  let g = grad_q(0u, c) + hyper_ld(${hyper.weightDecay}u) * old;
  let v = hyper_ld(${hyper.momentum}u) * velocity_q(0u, c) + g;
  newVelocity_sq(0u, c, v);
  newParam_sq(0u, c, old - hyper_ld(${hyper.learningRate}u) * v);`,
    ),
  ],
};
