import { dropThreshold } from '../../../ops/dropout.js';
import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';

export const countStep: GpuKernel<'countStep'> = {
  lower: ({ inputs, outputs }) => [
    {
      tensors: { ...inputs, ...outputs },
      workgroupSize: 1,
      workgroups: 1,
      code: 'fn body(group: u32, lane: u32) { next_st(0u, counter_ld(0u) + 1f); }',
    },
  ],
};

const permuteText = `
fn permute(value: u32) -> u32 {
  let state = value * 747796405u + 2891336453u;
  let word = ((state >> ((state >> 28u) + 4u)) ^ state) * 277803737u;
  return (word >> 22u) ^ word;
}`;

export const dropoutMask: GpuKernel<'dropoutMask'> = {
  lower: ({ inputs, outputs, attrs: { rate, seed, shape } }) => [
    perQuad(
      shape,
      { ...inputs, ...outputs },
      `let start = permute(permute(${seed >>> 0}u) + u32(step_ld(0u))) + p * ${shape[3]}u + c;
  let draws = vec4u(permute(start), permute(start + 1u), permute(start + 2u), permute(start + 3u));
  mask_sq(p, c, select(vec4f(${f32(1 / (1 - rate))}), vec4f(0f), draws < vec4u(${dropThreshold(rate)}u)));`,
      permuteText,
    ),
  ],
};
