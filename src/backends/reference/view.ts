import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const copy: ReferenceKernel<'copy'> = ({ inputs, outputs }, arena) => {
  new View(arena, outputs.y).assign(new View(arena, inputs.x).dense());
};
