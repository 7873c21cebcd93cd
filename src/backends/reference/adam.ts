import { adamHyper } from '../../ops/adam.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const adam: ReferenceKernel<'adam'> = ({ inputs, outputs }, arena) => {
  const hyper = new View(arena, inputs.hyper).dense();
  const learningRate = hyper[adamHyper.learningRate];
  const beta1 = hyper[adamHyper.beta1];
  const beta2 = hyper[adamHyper.beta2];
  const eps = hyper[adamHyper.eps];
  const weightDecay = hyper[adamHyper.weightDecay];
  const decoupledDecay = hyper[adamHyper.decoupledDecay];
  const correction1 = hyper[adamHyper.correction1];
  const correction2 = hyper[adamHyper.correction2];
  const param = new View(arena, inputs.param).dense();
  const grad = new View(arena, inputs.grad).dense();
  const m = new View(arena, inputs.m).dense();
  const v = new View(arena, inputs.v).dense();
  for (let i = 0; i < param.length; i++) {
    const g = grad[i] + weightDecay * param[i];
    param[i] -= learningRate * decoupledDecay * param[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * g * g;
    param[i] -= ((learningRate / correction1) * m[i]) / (Math.sqrt(v[i]) / Math.sqrt(correction2) + eps);
  }
  new View(arena, outputs.newParam).assign(param);
  new View(arena, outputs.newM).assign(m);
  new View(arena, outputs.newV).assign(v);
};
