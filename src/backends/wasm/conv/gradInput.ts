import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { WasmKernel } from '../stage.js';
import { scratchPointer } from '../stage.js';
import type { Algorithm } from './algorithm.js';
import { algorithmOf, directs, stagesOf } from './algorithm.js';
import type { DirectConv, WeightSteps } from './direct.js';
import { tapsOf } from './geometry.js';

type GradInput = CallFor<'conv2dGradInput'>;

export const conv2dGradInput: WasmKernel<'conv2dGradInput'> = {
  algorithm: (call) => chosen(call).name,
  scratchBytes: (call) => chosen(call).scratchBytes,
  lower: (call) => stagesOf(chosen(call), scratchPointer(call)),
};

function chosen(call: GradInput): Algorithm {
  if (isPatchwise(call)) return directs('patches', patches(call));
  const convs = perRemainder(call);
  const { attrs, inputs } = call;
  if (Math.max(...attrs.stride) > 1 || convs.length === 0) return directs('by remainder', convs);
  // With stride 1 the gradient is a convolution by the flipped kernel, padded by `d·(k − 1) − p`.
  const padded = (axis: 0 | 1) =>
    attrs.dilation[axis] * (inputs.weight.shape[axis] - 1) - attrs.padding[axis];
  const { dilation } = attrs;
  return algorithmOf({ ...convs[0], padding: [padded(0), padded(1)], dilation, flipped: true });
}

/** Weights with inputs and outputs exchanged. */
const stepsOf = (weight: TensorRef, groups: number): WeightSteps => {
  const inputs = weight.shape[3] / groups;
  return {
    ...{ weight, inputs, outputs: weight.shape[2] },
    ...{ inputStep: 1, outputStep: weight.shape[3], groupStep: inputs },
  };
};

/**
 * `gx[i] = Σₖ w[k] · gy[(i + p − d·k) / s]` where that is whole: with `i = s·j + r`, one convolution of `gy` with
 * stride 1 for each remainder `r`, by the taps with `r + p − d·k` divisible by `s`.
 */
function perRemainder({ inputs: { gy, weight, acc }, outputs: { gx }, attrs }: GradInput): DirectConv[] {
  const { stride, padding, dilation, groups } = attrs;
  const steps = stepsOf(weight, groups);
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
      if (taps.length === 0 && acc?.offset === gx.offset) continue;
      const place = { origin: [ry, rx], step: stride, residual: acc } as const;
      convs.push({ x: gy, stride: [1, 1], taps, steps, groups, y: gx, ...place });
    }
  }
  return convs;
}

/** Whether every pixel of `gy` makes a patch of `gx` of its own, as wide as the stride, in pixels without gaps. */
function isPatchwise({ inputs: { gy, weight, acc }, outputs: { gx }, attrs }: GradInput): boolean {
  const { stride, padding, dilation, groups } = attrs;
  const dense = (ref: TensorRef) => ref.pixelStride === ref.shape[3];
  return (
    Math.max(...stride) > 1 &&
    [0, 1].every((i) => stride[i] === weight.shape[i] && stride[i] * gy.shape[i + 1] === gx.shape[i + 1]) &&
    Math.max(...padding) === 0 &&
    Math.max(...dilation) === 1 &&
    groups === 1 &&
    dense(gx) &&
    (!acc || dense(acc))
  );
}

/** The pixels of one row of a patch lie side by side: they are the outputs of one 1×1 convolution, one per row. */
function patches({ inputs: { gy, weight, acc }, outputs: { gx } }: GradInput): DirectConv[] {
  const [rows, columns, outputs, inputs] = weight.shape;
  const joined = (ref: TensorRef): TensorRef => {
    const [batch, height, width, channels] = ref.shape;
    const shape = [batch, height, width / columns, columns * channels] as const;
    return { ...ref, shape, pixelStride: columns * channels };
  };
  const steps = { ...stepsOf(weight, 1), outputs: columns * outputs, outputStep: inputs };
  const places = { y: joined(gx), residual: acc && joined(acc), step: [rows, 1] } as const;
  return Array.from({ length: rows }, (_, row) => {
    const taps = [{ y: 0, x: 0, source: row }];
    return { x: gy, stride: [1, 1], taps, steps, groups: 1, ...places, origin: [row, 0] };
  });
}
