import type { TensorRef } from '../../../graph/planned.js';
import type { WasmKernel, Word } from '../stage.js';
import { strided } from '../stage.js';

const blocksOf = (ref: TensorRef): number => Math.ceil(ref.shape[3] / 16);

const argsOf = (bins: TensorRef, image: TensorRef): Word[] => [
  ...strided(bins),
  ...strided(image),
  bins.shape[3],
  bins.shape[1],
  bins.shape[2],
  image.shape[1],
  image.shape[2],
  blocksOf(bins),
];

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
