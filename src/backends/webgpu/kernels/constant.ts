import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const fill: GpuKernel<'fill'> = {
  lower: ({ outputs, attrs: { shape, value } }) => [
    perQuad(shape, { ...outputs }, `y_sq(p, c, vec4f(${f32(value)}));`),
  ],
};
