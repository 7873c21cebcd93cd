import type { GpuKernel } from './kernel.js';
import { imageOf, perQuad, pixelsOf } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

export const multiply: GpuKernel<'multiply'> = {
  lower: ({ inputs, outputs }) => {
    const [, h, w] = inputs.a.shape;
    const factor = pixelsOf(inputs.b.shape) === pixelsOf(inputs.a.shape) ? 'p' : `p / ${h * w}u`;
    return [perQuad(inputs.a.shape, { ...inputs, ...outputs }, `y_sq(p, c, a_q(p, c) * b_q(${factor}, c));`)];
  },
};

export const multiplySum: GpuKernel<'multiplySum'> = {
  scratch: ({ inputs }) => channelSumsBytes(imageOf(inputs.a, 0).shape, 1),
  lower: (call) => {
    const { a, b } = call.inputs;
    return Array.from({ length: a.shape[0] }, (_, n) =>
      channelSums({
        call,
        tensors: { a: imageOf(a, n), b: imageOf(b, n), sum: call.outputs.sum },
        shape: imageOf(a, n).shape,
        rows: 1,
        each: 's0 += a_q(p, c) * b_q(p, c);',
        finish: `sum_sq(${n}u, c, s0);`,
      }),
    ).flat();
  },
};
