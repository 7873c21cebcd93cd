import type { TensorRef } from '../../../graph/planned.js';
import type { WindowAttrs } from '../../../ops/maxpool.js';
import type { MaxPoolArgs } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { strided } from '../stage.js';

const argsOf = (
  pooled: TensorRef,
  index: TensorRef,
  image: TensorRef,
  { kernel, stride, padding }: WindowAttrs,
): MaxPoolArgs => ({
  ...strided({ pooled, index, image }),
  channels: pooled.shape[3],
  pooledHeight: pooled.shape[1],
  pooledWidth: pooled.shape[2],
  height: image.shape[1],
  width: image.shape[2],
  ...{ kernel, stride, padding },
});

const rowsOf = (ref: TensorRef): number => ref.shape[0] * ref.shape[1];

export const maxPool: WasmKernel<'maxPool'> = {
  lower: ({ inputs: { x }, outputs: { y, index }, attrs }) => [
    { kernel: 'maxPool', chunks: rowsOf(y), args: argsOf(y, index, x, attrs) },
  ],
};

export const maxUnpool: WasmKernel<'maxUnpool'> = {
  lower: ({ inputs: { x, index }, outputs: { y }, attrs }) => [
    { kernel: 'maxUnpool', chunks: rowsOf(y), args: argsOf(x, index, y, attrs) },
  ],
};

export const maxGather: WasmKernel<'maxGather'> = {
  lower: ({ inputs: { gy, index }, outputs: { gx }, attrs }) => [
    { kernel: 'maxGather', chunks: rowsOf(gx), args: argsOf(gx, index, gy, attrs) },
  ],
};
