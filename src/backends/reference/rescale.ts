import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const rescale: ReferenceKernel<'rescale'> = ({ inputs, outputs, attrs: { invert } }, arena) => {
  const [factor] = new View(arena, inputs.factor).dense();
  const x = new View(arena, inputs.x).dense();
  new View(arena, outputs.y).assign(x.map((value) => (invert ? value / factor : value * factor)));
};
