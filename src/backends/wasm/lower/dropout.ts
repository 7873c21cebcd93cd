import { dropThreshold } from '../../../ops/dropout.js';
import type { WasmKernel } from '../stage.js';
import { pixelsOf, pointers, strided } from '../stage.js';

export const countStep: WasmKernel<'countStep'> = {
  lower: ({ inputs: { counter }, outputs: { next } }) => [
    { kernel: 'countStep', chunks: 1, args: pointers({ counter, next }) },
  ],
};

export const dropoutMask: WasmKernel<'dropoutMask'> = {
  lower: ({ inputs: { step }, outputs: { mask }, attrs: { rate, seed } }) => [
    {
      kernel: 'dropoutMask',
      chunks: 1,
      args: {
        ...{ ...pointers({ step }), ...strided({ mask }), channels: mask.shape[3], pixels: pixelsOf(mask) },
        ...{ seed, threshold: dropThreshold(rate), kept: 1 / (1 - rate) },
      },
    },
  ],
};
