import type { TensorRef } from '../../../graph/planned.js';
import type { AdaptiveArgs } from '../abi.js';
import { adaptiveChannels } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { strided } from '../stage.js';

const blocksOf = (ref: TensorRef): number => Math.ceil(ref.shape[3] / adaptiveChannels);

const argsOf = (bins: TensorRef, image: TensorRef): AdaptiveArgs => ({
  ...strided({ bins, image }),
  channels: bins.shape[3],
  rows: bins.shape[1],
  columns: bins.shape[2],
  height: image.shape[1],
  width: image.shape[2],
  blocks: blocksOf(bins),
});

export const adaptivePool: WasmKernel<'adaptivePool'> = {
  lower({ inputs: { x }, outputs: { y } }) {
    const chunks = y.shape[0] * y.shape[1] * y.shape[2] * blocksOf(y);
    return [{ kernel: 'adaptivePool', chunks, args: argsOf(y, x) }];
  },
};

export const adaptivePoolGrad: WasmKernel<'adaptivePoolGrad'> = {
  lower: ({ inputs: { gy }, outputs: { gx } }) => [
    { kernel: 'adaptivePoolGrad', chunks: gx.shape[0] * gx.shape[1], args: argsOf(gy, gx) },
  ],
};
