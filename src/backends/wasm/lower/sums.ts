import type { TensorRef } from '../../../graph/planned.js';
import type { Pieces, Stage, WasmKernel } from '../stage.js';
import { cutPixels, pointers, scratchPointer, strided } from '../stage.js';

/** Partial sums: `values` float64 per chunk, blocks starting on cache lines of their own. */
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

/** Adds the first `count` numbers of all blocks at `partials` into `sum`. */
export const joinPartials = (
  { blockBytes, chunks }: Partials,
  partials: number,
  count: number,
  sum: TensorRef,
): Stage => ({
  kernel: 'sumPartials',
  chunks: 1,
  args: { partials, blockBytes, blocks: chunks, count, ...pointers({ sum }) },
});

export const sumPixels: WasmKernel<'sumPixels'> = {
  scratchBytes: ({ inputs: { x } }) => partialsOver(x, 1).bytes,
  lower(call) {
    const { x } = call.inputs;
    const sums = partialsOver(x, 1);
    const { span, chunks, blockBytes } = sums;
    const partials = scratchPointer(call);
    const channels = x.shape[3];
    return [
      {
        kernel: 'sumPixels',
        chunks,
        args: { ...strided({ x }), channels, pixels: span, partials, blockBytes },
      },
      joinPartials(sums, partials, channels, call.outputs.sum),
    ];
  },
};
