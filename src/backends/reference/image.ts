import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const normalizeImage: ReferenceKernel<'normalizeImage'> = ({ inputs, outputs, attrs }, arena) => {
  const x = new View(arena, inputs.x);
  const { mean, std } = attrs;
  new View(arena, outputs.y).assign(x.dense().map((v, i) => (v / 255 - mean[i % x.c]) / std[i % x.c]));
};
