import { sgdHyper } from '../../ops/sgd.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const sgd: ReferenceKernel<'sgd'> = ({ inputs, outputs }, arena) => {
  const hyper = new View(arena, inputs.hyper).dense();
  const { learningRate, momentum, weightDecay } = sgdHyper;
  const param = new View(arena, inputs.param).dense();
  const grad = new View(arena, inputs.grad).dense();
  const velocity = new View(arena, inputs.velocity).dense();
  const next = velocity.map((v, i) => hyper[momentum] * v + grad[i] + hyper[weightDecay] * param[i]);
  new View(arena, outputs.newVelocity).assign(next);
  new View(arena, outputs.newParam).assign(param.map((p, i) => p - hyper[learningRate] * next[i]));
};
