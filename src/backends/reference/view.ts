import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const copy: ReferenceKernel<'copy'> = ({ inputs, outputs }, arena) => {
  new View(arena, outputs.y).assign(new View(arena, inputs.x).dense());
};

export const add: ReferenceKernel<'add'> = ({ inputs, outputs, attrs }, arena) => {
  const a = new View(arena, inputs.a).dense();
  const b = new View(arena, inputs.b).dense();
  new View(arena, outputs.y).assign(a.map((value, i) => value + attrs.sign * b[i]));
};

export const scale: ReferenceKernel<'scale'> = ({ inputs, outputs, attrs }, arena) => {
  const x = new View(arena, inputs.x).dense();
  new View(arena, outputs.y).assign(x.map((value) => attrs.factor * value));
};
