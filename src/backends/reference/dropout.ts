import { dropThreshold, permute } from '../../ops/dropout.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const countStep: ReferenceKernel<'countStep'> = ({ inputs, outputs }, arena) => {
  new View(arena, outputs.next).assign([new View(arena, inputs.counter).dense()[0] + 1]);
};

export const dropoutMask: ReferenceKernel<'dropoutMask'> = ({ inputs, outputs, attrs }, arena) => {
  const [step] = new View(arena, inputs.step).dense();
  const mask = new View(arena, outputs.mask);
  const start = permute(permute(attrs.seed) + step);
  const values = mask
    .dense()
    .map((_, i) => (permute(start + i) < dropThreshold(attrs.rate) ? 0 : 1 / (1 - attrs.rate)));
  mask.assign(values);
};
