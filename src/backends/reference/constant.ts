import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const fill: ReferenceKernel<'fill'> = ({ outputs, attrs }, arena) => {
  new View(arena, outputs.y).fill(attrs.value);
};
