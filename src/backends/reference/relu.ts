import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const reluGrad: ReferenceKernel<'reluGrad'> = ({ inputs, outputs }, arena) => {
  const y = new View(arena, inputs.y).dense();
  const gy = new View(arena, inputs.gy).dense();
  new View(arena, outputs.gx).assign(gy.map((g, i) => (y[i] > 0 ? g : 0)));
};
