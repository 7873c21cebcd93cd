import type { ReferenceKernel } from './arena.js';
import { View, vectorOf } from './arena.js';

export const preluGrad: ReferenceKernel<'preluGrad'> = ({ inputs, outputs }, arena) => {
  const x = new View(arena, inputs.x).dense();
  const gy = new View(arena, inputs.gy).dense();
  const channels = inputs.x.shape[3];
  const slope = vectorOf(arena, inputs.slope, channels, 1);
  const gslope = new Float64Array(channels);
  for (let i = 0; i < x.length; i++) gslope[i % channels] += Math.min(x[i], 0) * gy[i];
  new View(arena, outputs.gx).assign(gy.map((g, i) => (x[i] > 0 ? g : slope[i % channels] * g)));
  new View(arena, outputs.gslope).assign(gslope);
};
