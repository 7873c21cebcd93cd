import type { GpuKernel } from './kernel.js';
import { imageOf } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

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
