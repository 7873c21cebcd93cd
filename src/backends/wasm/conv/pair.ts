/** A 3×1 convolution together with the 1×3 convolution after it: `kernels/conv/pair.ts`. */
import type { Call, TensorRef } from '../../../graph/planned.js';
import type { Stage } from '../stage.js';
import { cut, pointer, scratchPointer } from '../stage.js';
import { directOf, formOf } from './forward.js';
import { inputArgs, outputArgs, quadsOf } from './geometry.js';
import {
  coefficients,
  leastFlops,
  mostChunks,
  packStage,
  planeTable,
  stripOf,
  tileArgs,
  tileLocals,
  tilesAlong,
  winogradBytes,
} from './winograd1d.js';

/** Stages of both calls, if `second` directly follows `first` and they can run as one; the tensor between is not written. */
export function pairStages(first: Call, second: Call): Stage[] | undefined {
  if (first.op !== 'conv2d' || second.op !== 'conv2d') return undefined;
  const down = formOf(first);
  const along = formOf(second);
  const x = first.inputs.x;
  const middle = first.outputs.y;
  const y = second.outputs.y;
  const chained =
    down?.axis === 0 &&
    along?.axis === 1 &&
    !along.rows &&
    down.i16 === along.i16 &&
    !first.inputs.residual &&
    middle.offset === second.inputs.x.offset &&
    middle.pixelStride === middle.shape[3] &&
    second.lastReads?.includes('x') &&
    !overlap(x, y) &&
    apart(second.scratch, x) &&
    [1, 2].every((axis) => x.shape[axis] === y.shape[axis] && middle.shape[axis] === y.shape[axis]);
  if (!chained) return undefined;
  // The transformed weights of both are needed at once: the first ones lie where the tensor between would.
  const packed = [pointer(middle), scratchPointer(second)] as const;
  const firstSteps = directOf(first).steps;
  const secondSteps = directOf(second).steps;
  const bytes = [winogradBytes(down, firstSteps), winogradBytes(along, secondSteps)] as const;
  const [images, height, width] = middle.shape;
  if (bytes[0] > 4 * images * height * width * middle.shape[3]) return undefined;

  const d = down.dilation;
  const pixel = 16 * quadsOf(middle.shape[3]);
  // A whole number of bytes for each of the d rows that a row of the middle stands for.
  const row = 16 * d * Math.ceil((width * pixel) / (16 * d));
  const quads = [x, middle, y].map((ref) => quadsOf(ref.shape[3]));
  const most = Math.max(...quads);
  const locals = tileLocals(most, most, 1);
  const flops = (first.flops + second.flops) / (images * tilesAlong(height, d));
  const { per, chunks } = cut(images * tilesAlong(height, d), leastFlops / flops, mostChunks);

  const between = inputArgs(middle, 1, directOf(second).prologue);
  const inner = outputArgs(directOf(first));
  const table = planeTable(0, 1, Math.max(x.shape[3], middle.shape[3]));
  const fourRows: TensorRef = { ...middle, shape: [1, 4, width, middle.shape[3]] };
  return [
    packStage(down, firstSteps, false, packed[0]),
    packStage(along, secondSteps, false, packed[1]),
    {
      kernel: down.i16 ? 'convWinograd1dPairI16' : 'convWinograd1dPair',
      chunks,
      localBytes: locals.bytes + 4 * row + 16,
      args: {
        input: inputArgs(x, 1, directOf(first).prologue),
        inner: { ...inner, y: 0, image: 0, row: row / d, pixel },
        down: tileArgs(down, middle, 0, [packed[0], bytes[0] / coefficients], locals, table),
        between: { ...between, image: 4 * row, row, pixel, height: 4, width },
        output: outputArgs(directOf(second), 1, [0, 0], [d, 1]),
        along: tileArgs(along, fourRows, 0, [packed[1], bytes[1] / coefficients], locals, table),
        ...{ total: images * tilesAlong(height, d), perChunk: per, strip: stripOf(width) },
        middle: locals.bytes,
      },
    },
  ];
}

/** Bytes from the arena's start to behind a tensor. */
const endOf = ({ offset, shape: [n, h, w, c], pixelStride }: TensorRef): number =>
  offset + 4 * ((n * h * w - 1) * pixelStride + c);

const apart = ({ offset, bytes }: Call['scratch'], tensor: TensorRef): boolean =>
  offset >= endOf(tensor) || tensor.offset >= offset + bytes;

/** Whether two tensors share a byte; ranges of channels of one wider tensor do not. */
function overlap(a: TensorRef, b: TensorRef): boolean {
  if (a.offset >= endOf(b) || b.offset >= endOf(a)) return false;
  const pixel = 4 * a.pixelStride;
  if (a.pixelStride !== b.pixelStride) return true;
  const distance = (((b.offset - a.offset) % pixel) + pixel) % pixel;
  return distance < 4 * a.shape[3] || distance + 4 * b.shape[3] > pixel;
}
