import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const guard: ReferenceKernel<'guard'> = ({ inputs, outputs, attrs: { still } }, arena) => {
  const grad = new View(arena, inputs.grad).dense();
  const norm = Math.sqrt(grad.reduce((sum, g) => sum + g * g, 0));
  const finite = Number.isFinite(norm);
  new View(arena, outputs.newGrad).assign(finite ? grad : grad.fill(0));
  new View(arena, outputs.newHyper).assign(finite ? new View(arena, inputs.hyper).dense() : still);
  new View(arena, outputs.norm).assign([norm]);
};
