import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, quadsOf } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

/** The gradient as rows of four, so that its sum is one over pixels. */
const rowsOf = (shape: Parameters<typeof quadsOf>[0]) => [1, 1, quadsOf(shape), 4] as const;

export const guard: GpuKernel<'guard'> = {
  scratch: ({ inputs }) => channelSumsBytes(rowsOf(inputs.grad.shape), 1),
  lower: (call) => {
    const { inputs, outputs, attrs } = call;
    const { still } = attrs;
    const quads = Math.ceil(still.length / 4);
    const vectors = Array.from({ length: quads }, (_, k) => {
      const four = [0, 1, 2, 3].map((i) => f32(still[4 * k + i] ?? 0));
      return `vec4f(${four.join(', ')})`;
    });
    return [
      ...channelSums({
        call,
        tensors: { grad: inputs.grad, norm: outputs.norm },
        shape: rowsOf(inputs.grad.shape),
        rows: 1,
        each: 'let g = grad_q(0u, p * 4u); s0 += g * g;',
        finish: 'norm_st(0u, sqrt(s0.x + s0.y + s0.z + s0.w));',
      }),
      // Compilers may take it that no number is infinite: the exponent says it.
      perQuad(
        inputs.grad.shape,
        { ...inputs, ...outputs },
        `let finite = (bitcast<u32>(norm_ld(0u)) & 0x7f800000u) != 0x7f800000u;
  newGrad_sq(p, c, select(vec4f(0f), grad_q(p, c), finite));
  if (i < ${quads}u) {
    var still = array<vec4f, ${quads}>(${vectors.join(', ')});
    newHyper_sq(0u, c, select(still[i], hyper_q(0u, c), finite));
  }`,
      ),
    ];
  },
};
