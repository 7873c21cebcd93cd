import type { TensorRef } from '../../../graph/planned.js';
import type { AdaptiveArgs, Span } from '../abi.js';
import { adaptiveChannels } from '../abi.js';
import type { WasmKernel } from '../stage.js';
import { cut, strided } from '../stage.js';

/** Of the image, worth taking a chunk for. */
const leastBytes = 128 << 10;

const blocksOf = (ref: TensorRef): number => Math.ceil(ref.shape[3] / adaptiveChannels);

const argsOf = (bins: TensorRef, image: TensorRef, span: Span): AdaptiveArgs => ({
  ...strided({ bins, image }),
  channels: bins.shape[3],
  rows: bins.shape[1],
  columns: bins.shape[2],
  height: image.shape[1],
  width: image.shape[2],
  blocks: blocksOf(bins),
  span,
});

export const adaptivePool: WasmKernel<'adaptivePool'> = {
  lower({ inputs: { x }, outputs: { y } }) {
    const [images, rows, columns] = y.shape;
    const bytes = (4 * adaptiveChannels * x.shape[1] * x.shape[2]) / (rows * columns);
    const { span, chunks } = cut(images * rows * columns * blocksOf(y), leastBytes / bytes);
    return [{ kernel: 'adaptivePool', chunks, args: argsOf(y, x, span) }];
  },
};

export const adaptivePoolGrad: WasmKernel<'adaptivePoolGrad'> = {
  lower({ inputs: { gy }, outputs: { gx } }) {
    const { span, chunks } = cut(gx.shape[0] * gx.shape[1], leastBytes / (4 * gx.shape[2] * gx.shape[3]));
    return [{ kernel: 'adaptivePoolGrad', chunks, args: argsOf(gy, gx, span) }];
  },
};
