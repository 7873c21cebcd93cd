import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const average: ReferenceKernel<'average'> = ({ inputs, outputs }, arena) => {
  const x = new View(arena, inputs.x).dense();
  const [decay] = new View(arena, inputs.decay).dense();
  const before = new View(arena, inputs.average).dense();
  new View(arena, outputs.newAverage).assign(before.map((a, i) => decay * a + (1 - decay) * x[i]));
};
