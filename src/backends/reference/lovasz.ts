import { binOf, LOVASZ_BINS } from '../../ops/lovasz.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';
import { SoftmaxLoss } from './softmaxLoss.js';

export const lovasz: ReferenceKernel<'lovasz'> = (call, arena) => {
  const work = new SoftmaxLoss(call, arena);
  const { classes } = work;
  const errorOf = (p: number, own: boolean) => (own ? 1 - p : p);
  // Per class: pixels of the class in each bin, and others.
  const own = Array.from({ length: classes }, () => new Float64Array(LOVASZ_BINS));
  const other = Array.from({ length: classes }, () => new Float64Array(LOVASZ_BINS));
  let pixels = 0;
  for (const { label, p } of work.pixels()) {
    pixels++;
    for (let c = 0; c < classes; c++) {
      (c === label ? own : other)[c][binOf(errorOf(p[c], c === label))]++;
    }
  }
  const counts = own.map((bins) => bins.reduce((a, b) => a + b, 0));
  const present = counts.filter((n) => n > 0).length;
  // From counts to the weight of an error.
  for (let c = 0; c < classes; c++) {
    let [hit, missed] = [counts[c], counts[c]];
    for (let bin = LOVASZ_BINS - 1; bin >= 0; bin--) {
      const [f, b] = [own[c][bin], other[c][bin]];
      own[c][bin] = missed === 0 ? 0 : (1 / missed + 1 / (missed + b)) / 2;
      other[c][bin] = missed === 0 ? 0 : (hit - f / 2) / (missed * (missed + b));
      hit -= f;
      missed += b;
    }
  }
  let loss = 0;
  const u = new Float64Array(classes);
  for (const pixel of work.pixels()) {
    for (let c = 0; c < classes; c++) {
      const mine = c === pixel.label;
      const error = errorOf(pixel.p[c], mine);
      const weight = counts[c] > 0 ? (mine ? own : other)[c][binOf(error)] / present : 0;
      loss += weight * error;
      u[c] = pixel.p[c] * (mine ? -weight : weight);
    }
    work.send(pixel, u);
  }
  new View(arena, call.outputs.loss).assign([loss, pixels]);
};
