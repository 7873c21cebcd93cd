import type { TensorRef } from '../../../graph/planned.js';
import type { LossBands } from '../abi.js';
import { cut, pointer, strided } from '../stage.js';
import { rowBytes } from './resize.js';

/** Coarse rows per chunk. */
const bandRows = 4;

/** Any loss: where its results go. */
interface Loss {
  readonly inputs: { readonly logits: TensorRef };
  readonly outputs: { readonly loss: TensorRef; readonly glogits: TensorRef };
}

/** Bands of coarse rows, and their scratch: per band a row of gradients and two float64, then one float32. */
export function bandsOf({ inputs: { logits } }: Loss) {
  const [images, height, width, classes] = logits.shape;
  const bands = Math.ceil(height / bandRows);
  const chunks = bands * images;
  const belowBytes = Math.ceil(rowBytes(logits) / 64) * 64;
  const partials = chunks * belowBytes;
  const inverse = partials + 16 * chunks;
  const scaling = cut(images * height, 16384 / (width * classes));
  return { bands, chunks, belowBytes, partials, inverse, scaling, bytes: inverse + 64 };
}

/** The same as arguments. @param scratch address of that scratch. */
export function bandArgs(loss: Loss, scratch: number): LossBands {
  const { bands, chunks, belowBytes, partials, inverse, scaling } = bandsOf(loss);
  const [images, , , classes] = loss.inputs.logits.shape;
  return {
    ...strided({ glogits: loss.outputs.glogits }),
    ...{ classes, images, bandRows, bands, belowBytes, scaleRows: scaling.span.perChunk },
    below: scratch,
    sums: {
      ...{ loss: pointer(loss.outputs.loss), chunks },
      ...{ partials: scratch + partials, inverse: scratch + inverse },
    },
  };
}
