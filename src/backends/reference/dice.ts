import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';
import { SoftmaxLoss } from './softmaxLoss.js';

export const dice: ReferenceKernel<'dice'> = (call, arena) => {
  const work = new SoftmaxLoss(call, arena);
  const { classes } = work;
  const [hit, size, count] = [0, 1, 2].map(() => new Float64Array(classes));
  let pixels = 0;
  for (const { label, p } of work.pixels()) {
    pixels++;
    count[label]++;
    hit[label] += p[label];
    for (let c = 0; c < classes; c++) size[c] += p[c];
  }
  const present = count.filter((n) => n > 0).length;
  let loss = 0;
  for (let c = 0; c < classes; c++) {
    if (count[c] > 0) loss += (1 - (2 * hit[c]) / (size[c] + count[c])) / present;
  }
  const u = new Float64Array(classes);
  for (const pixel of work.pixels()) {
    for (let c = 0; c < classes; c++) {
      const both = size[c] + count[c];
      const own = c === pixel.label ? 2 / both : 0;
      u[c] = count[c] > 0 ? (pixel.p[c] * ((2 * hit[c]) / both ** 2 - own)) / present : 0;
    }
    work.send(pixel, u);
  }
  new View(arena, call.outputs.loss).assign([loss, pixels]);
};
