import type { GpuKernel } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

/** Over the tensors of the call; stores `gx` on the way. */
export const preluGradSums = {
  rows: 1,
  before: 'let slope = slope_q(0u, c);',
  each: `
      let x = x_q(p, c);
      let gy = gy_q(p, c);
      gx_sq(p, c, select(slope * gy, gy, x > vec4f(0f)));
      s0 += min(x, vec4f(0f)) * gy;`,
  finish: 'gslope_sq(0u, c, s0);',
};

export const preluGrad: GpuKernel<'preluGrad'> = {
  scratch: ({ inputs }) => channelSumsBytes(inputs.x.shape, 1),
  lower: (call) => {
    const tensors = { ...call.inputs, ...call.outputs };
    return channelSums({ ...preluGradSums, call, tensors, shape: call.inputs.x.shape });
  },
};
