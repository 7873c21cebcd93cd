import type { TensorRef } from '../../../graph/planned.js';
import type { SumPixelsArgs } from '../abi.js';
import type { Pieces, Stage, WasmKernel } from '../stage.js';
import { cutPixels, pointers, scratchPointer, strided } from '../stage.js';

/** Sums over pixels: float64 per chunk, blocks starting on cache lines of their own. */
export interface Partials extends Pieces {
  readonly blockBytes: number;
  readonly bytes: number;
}

/** Partial sums over the pixels of `ref`, `perChannel` of them per channel. */
export function partialsOver(ref: TensorRef, perChannel: number): Partials {
  const pieces = cutPixels(ref);
  const blockBytes = Math.ceil((8 * perChannel * ref.shape[3]) / 64) * 64;
  return { ...pieces, blockBytes, bytes: blockBytes * pieces.chunks };
}

interface ChannelSums {
  readonly chunks: number;
  /** What the kernel of the partial sums takes. */
  readonly range: Pick<SumPixelsArgs, 'channels' | 'pixels' | 'partials' | 'blockBytes'>;
  /** Adds them up. */
  readonly join: Stage;
}

/** One sum per channel of `x`, to `sum`; `partials`: the address of the partial ones. */
export function channelSums(x: TensorRef, partials: number, sum: TensorRef): ChannelSums {
  const { span, chunks, blockBytes } = partialsOver(x, 1);
  const channels = x.shape[3];
  const join: Stage = {
    kernel: 'sumPartials',
    chunks: 1,
    args: { partials, blockBytes, blocks: chunks, count: channels, ...pointers({ sum }) },
  };
  return { chunks, range: { channels, pixels: span, partials, blockBytes }, join };
}

export const sumPixels: WasmKernel<'sumPixels'> = {
  scratchBytes: ({ inputs: { x } }) => partialsOver(x, 1).bytes,
  lower(call) {
    const { x } = call.inputs;
    const { chunks, range, join } = channelSums(x, scratchPointer(call), call.outputs.sum);
    return [{ kernel: 'sumPixels', chunks, args: { ...strided({ x }), ...range } }, join];
  },
};
