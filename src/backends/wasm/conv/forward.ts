import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { WasmKernel } from '../stage.js';
import { madePointer, making } from '../stage.js';
import type { Algorithm } from './algorithm.js';
import { algorithmOf } from './algorithm.js';
import type { Conv } from './direct.js';
import { tapsOf } from './geometry.js';

/** Bytes of one layer's transformed weights worth keeping: the head of PSPNet has 144 MiB. */
const mostKept = 160 << 20;

/**
 * Whether weights are transformed ahead: where that is a few kilobytes, or a large part of the work. One weight takes as
 * long as 80 pixels' products with it, in 256 bits as 160: with 4096 pixels 4 % of the time, with 512 pixels a quarter.
 */
function keeps({ name, scratchBytes }: Algorithm, [images, height, width]: TensorRef['shape']): boolean {
  const pixels = images * height * width;
  // Two-dimensional Winograd multiplies each weight by a quarter of them.
  const few = pixels <= 4096 || (name === 'winograd2d' && pixels <= 16_384 && scratchBytes <= mostKept);
  return scratchBytes <= 1 << 18 || few;
}

export const conv2d: WasmKernel<'conv2d'> = {
  algorithm: (call) => algorithmOf(convOf(call)).name,
  scratchBytes: (call) => (call.kept ? 0 : algorithmOf(convOf(call)).scratchBytes),
  keptBytes(call) {
    const algorithm = algorithmOf(convOf(call));
    const constant = call.constants?.includes('weight');
    return constant && algorithm.weightStages && keeps(algorithm, call.outputs.y.shape)
      ? algorithm.scratchBytes
      : 0;
  },
  lower(call, threads) {
    const algorithm = algorithmOf(convOf(call));
    const at = madePointer(call);
    return [...making(call, algorithm.weightStages?.(at) ?? []), ...algorithm.stages(at, threads)];
  },
};

export function convOf({ inputs, outputs: { y }, attrs, constants }: CallFor<'conv2d'>): Conv {
  const { x, weight, bias, slope, residual, ...prologue } = inputs;
  const { stride, padding, dilation, groups, normalize, products, activates } = attrs;
  const outputsOfGroup = weight.shape[3] / groups;
  const steps = {
    ...{ weight, inputs: weight.shape[2], outputs: outputsOfGroup },
    ...{ inputStep: weight.shape[3], outputStep: 1, groupStep: outputsOfGroup },
  };
  const taps = tapsOf(weight).map(({ ky, kx, source }) => ({
    y: ky * dilation[0] - padding[0],
    x: kx * dilation[1] - padding[1],
    source,
  }));
  return {
    ...{ x, prologue, normalize, taps, steps, groups, stride, padding, dilation, flipped: false },
    ...{ y, bias, slope, residual, activatesSum: activates === 'sum', origin: [0, 0], step: [1, 1] },
    i16: products === 'i16',
    constant: constants?.includes('weight'),
  };
}
