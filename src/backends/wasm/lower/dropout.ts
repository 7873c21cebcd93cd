import { dropThreshold } from '../../../ops/dropout.js';
import type { WasmKernel } from '../stage.js';
import { f32, pixelsOf, pointer, strided } from '../stage.js';

export const countStep: WasmKernel<'countStep'> = {
  lower: ({ inputs: { counter }, outputs: { next } }) => [
    { kernel: 'countStep', chunks: 1, args: [pointer(counter), pointer(next)] },
  ],
};

export const dropoutMask: WasmKernel<'dropoutMask'> = {
  lower({ inputs: { step }, outputs: { mask }, attrs: { rate, seed } }) {
    const shape = [mask.shape[3], pixelsOf(mask)];
    const args = [pointer(step), ...strided(mask), ...shape, seed, dropThreshold(rate), f32(1 / (1 - rate))];
    return [{ kernel: 'dropoutMask', chunks: 1, args }];
  },
};
