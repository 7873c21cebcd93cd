import type { ReferenceKernel } from './arena.js';
import { View, vectorOf } from './arena.js';
import { type LossPixel, SoftmaxLoss } from './softmaxLoss.js';

export const focal: ReferenceKernel<'focal'> = (call, arena) => {
  const { gamma, radius, boundary } = call.attrs;
  const work = new SoftmaxLoss(call, arena);
  const classWeights = vectorOf(arena, call.inputs.classWeights, work.classes, 1);
  const isBoundary = ({ n, y, x, label }: LossPixel): boolean => {
    for (let dy = -radius; dy <= radius; dy++) {
      for (let dx = -radius; dx <= radius; dx++) {
        const other = work.labelAt(n, y + dy, x + dx);
        if (other !== undefined && other !== label) return true;
      }
    }
    return false;
  };
  const weightOf = (pixel: LossPixel) => classWeights[pixel.label] * (isBoundary(pixel) ? 1 + boundary : 1);
  let total = 0;
  let weights = 0;
  for (const pixel of work.pixels()) {
    const weight = weightOf(pixel);
    weights += weight;
    total -= weight * (1 - pixel.p[pixel.label]) ** gamma * pixel.logP;
  }
  const u = new Float64Array(work.classes);
  for (const pixel of work.pixels()) {
    if (weights === 0) break;
    const p = pixel.p[pixel.label];
    const easy = gamma === 0 ? 0 : gamma * p * (1 - p) ** (gamma - 1) * pixel.logP;
    u.fill(0);
    u[pixel.label] = (weightOf(pixel) * (easy - (1 - p) ** gamma)) / weights;
    work.send(pixel, u);
  }
  new View(arena, call.outputs.loss).assign([weights === 0 ? 0 : total / weights, weights]);
};
