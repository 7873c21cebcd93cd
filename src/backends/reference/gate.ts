import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const multiplySum: ReferenceKernel<'multiplySum'> = ({ inputs, outputs }, arena) => {
  const a = new View(arena, inputs.a);
  const b = new View(arena, inputs.b);
  const sums = new Float64Array(a.n * a.c);
  for (let p = 0; p < a.pixels; p++) {
    const image = Math.floor(p / (a.h * a.w));
    for (let c = 0; c < a.c; c++) sums[image * a.c + c] += a.data[a.pixel(p) + c] * b.data[b.pixel(p) + c];
  }
  new View(arena, outputs.sum).assign(sums);
};
