import type { CallFor } from '../../../graph/planned.js';
import type { WasmKernel } from '../stage.js';
import { scratchPointer } from '../stage.js';
import type { Algorithm } from './algorithm.js';
import { algorithmOf, directs, stagesOf } from './algorithm.js';
import type { DirectConv } from './direct.js';
import { transposedSteps } from './direct.js';
import { tapsOf } from './geometry.js';
import { isPatchwise, patches } from './patches.js';

type GradInput = CallFor<'conv2dGradInput'>;

export const conv2dGradInput: WasmKernel<'conv2dGradInput'> = {
  algorithm: (call) => chosen(call).name,
  scratchBytes: (call) => chosen(call).scratchBytes,
  lower: (call, threads) => stagesOf(chosen(call), scratchPointer(call), threads),
};

function chosen(call: GradInput): Algorithm {
  if (isPatchwise(call)) return patches(call);
  const convs = perRemainder(call);
  const { attrs, inputs } = call;
  if (Math.max(...attrs.stride) > 1 || convs.length === 0) return directs('by remainder', convs);
  // With stride 1 the gradient is a convolution by the flipped kernel, padded by `d·(k − 1) − p`.
  const padded = (axis: 0 | 1) =>
    attrs.dilation[axis] * (inputs.weight.shape[axis] - 1) - attrs.padding[axis];
  const { dilation } = attrs;
  return algorithmOf({ ...convs[0], padding: [padded(0), padded(1)], dilation, flipped: true });
}

/**
 * `gx[i] = Σₖ w[k] · gy[(i + p − d·k) / s]` where that is whole: with `i = s·j + r`, one convolution of `gy` with
 * stride 1 for each remainder `r`, by the taps with `r + p − d·k` divisible by `s`.
 */
function perRemainder({ inputs, outputs: { gx }, attrs }: GradInput): DirectConv[] {
  const { gy, weight, bias, slope, acc } = inputs;
  const { stride, padding, dilation, groups } = attrs;
  const steps = transposedSteps(weight, groups);
  const convs: DirectConv[] = [];
  for (let ry = 0; ry < stride[0]; ry++) {
    for (let rx = 0; rx < stride[1]; rx++) {
      const taps = tapsOf(weight)
        .map(({ ky, kx, source }) => ({
          y: (ry + padding[0] - ky * dilation[0]) / stride[0],
          x: (rx + padding[1] - kx * dilation[1]) / stride[1],
          source,
        }))
        .filter(({ y, x }) => Number.isInteger(y) && Number.isInteger(x));
      if (taps.length === 0 && acc?.offset === gx.offset && !bias) continue;
      const place = { origin: [ry, rx], step: stride, bias, slope, residual: acc } as const;
      convs.push({ x: gy, stride: [1, 1], taps, steps, groups, y: gx, ...place });
    }
  }
  return convs;
}
