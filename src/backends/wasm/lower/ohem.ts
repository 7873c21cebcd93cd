import type { CallFor } from '../../../graph/planned.js';
import { hardnessOf } from '../../../ops/ohem.js';
import type { WasmKernel } from '../stage.js';
import { cut, pixelsOf, scratchPointer, strided } from '../stage.js';
import { axes, rowBytes } from './resize.js';

/** Fine rows per chunk, at most 64 chunks an image. */
const bandRowsOf = (height: number): number => Math.max(4, Math.ceil(height / 64));

/** Scratch: 256 counts per chunk, and the hardness from which pixels stay. */
function layout({ inputs: { labels } }: CallFor<'hardLabels'>) {
  const bandRows = bandRowsOf(labels.shape[1]);
  const bands = Math.ceil(labels.shape[1] / bandRows);
  const chunks = bands * labels.shape[0];
  return { bandRows, bands, chunks, cutAt: 1024 * chunks, bytes: 1024 * chunks + 4 };
}

export const hardLabels: WasmKernel<'hardLabels'> = {
  scratchBytes: (call) => layout(call).bytes,
  lower(call) {
    const { logits, labels } = call.inputs;
    const { hard } = call.outputs;
    const { ignore, threshold, least } = call.attrs;
    const { bandRows, bands, chunks, cutAt } = layout(call);
    const counts = scratchPointer(call);
    const keeping = cut(pixelsOf(labels), 65536);
    const args = {
      ...strided({ logits, labels, hard }),
      ...{ classes: logits.shape[3], images: labels.shape[0], ignore, bandRows, bands },
      ...{ counts, cut: counts + cutAt, threshold: hardnessOf(1 - threshold), least },
      ...{ pixels: keeping.span, axes: axes(logits, labels, call.attrs) },
    };
    return [
      { kernel: 'hardness', chunks, args, localBytes: rowBytes(logits) },
      { kernel: 'hardnessCut', chunks: 1, args },
      { kernel: 'keepHard', chunks: keeping.chunks, args },
    ];
  },
};
