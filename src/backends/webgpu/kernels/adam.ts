import { adamHyper as hyper } from '../../../ops/adam.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const adam: GpuKernel<'adam'> = {
  lower: ({ inputs, outputs }) => [
    perQuad(
      inputs.param.shape,
      { ...inputs, ...outputs },
      `let rate = hyper_ld(${hyper.learningRate}u);
  let beta1 = hyper_ld(${hyper.beta1}u);
  let beta2 = hyper_ld(${hyper.beta2}u);
  let old = param_q(0u, c);
  let g = grad_q(0u, c) + hyper_ld(${hyper.weightDecay}u) * old;
  let m = beta1 * m_q(0u, c) + (1f - beta1) * g;
  let v = beta2 * v_q(0u, c) + (1f - beta2) * g * g;
  let decayed = old - rate * hyper_ld(${hyper.decoupledDecay}u) * old;
  let root = sqrt(v) / sqrt(hyper_ld(${hyper.correction2}u)) + hyper_ld(${hyper.eps}u);
  newM_sq(0u, c, m);
  newV_sq(0u, c, v);
  newParam_sq(0u, c, decayed - rate / hyper_ld(${hyper.correction1}u) * m / root);`,
    ),
  ],
};
