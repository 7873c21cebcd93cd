/** What chunks of convolutions touch. */
import type { Placed, TensorRef } from '../../../graph/planned.js';
import type { Prologue } from '../../../ops/op.js';
import type { Span } from '../abi.js';
import type { Range, Touches } from '../stage.js';
import type { RowOf } from '../touches.js';
import { rowsRange, wholeRanges } from '../touches.js';
import type { Epilogue } from './geometry.js';

/** What of a convolution says where it reads and writes. */
interface Reach extends Epilogue {
  readonly x: TensorRef;
  readonly prologue?: Placed<Prologue>;
  readonly stride: readonly [number, number];
  readonly taps: readonly { readonly y: number }[];
  readonly origin: readonly [number, number];
  readonly step: readonly [number, number];
}

/** `rows`: of the grid of outputs, the first and the last of a chunk; `weights`: what else it reads. */
export function convTouches(
  { x, prologue, stride, taps, y, bias, slope, residual, origin, step }: Reach,
  weights: readonly Range[],
  rows: (chunk: number) => readonly [RowOf, RowOf],
): Touches {
  const offsets = taps.map((tap) => tap.y);
  const [above, below] = [Math.min(0, ...offsets), Math.max(0, ...offsets)];
  const vectors = wholeRanges(bias, slope, prologue?.preScale, prologue?.preShift, prologue?.preSlope);
  const fixed = [...weights, ...vectors];
  return (chunk) => {
    const [first, last] = rows(chunk);
    const written = (ref: TensorRef) => {
      const [from, to] = [first, last].map(([n, i]): RowOf => [n, origin[0] + i * step[0]]);
      return rowsRange(ref, from, to);
    };
    const from: RowOf = [first[0], first[1] * stride[0] + above];
    const to: RowOf = [last[0], last[1] * stride[0] + below];
    const reads = [rowsRange(x, from, to), ...(residual ? [written(residual)] : []), ...fixed];
    return { reads, writes: [written(y)] };
  };
}

/** Chunks of rows of all images, `perImage` of them in one, or of the blocks that they are cut into, `perRow` in a row. */
export const rowsOfSpan = ({ count, perChunk }: Span, perImage: number, perRow = 1) => {
  const rowOf = (i: number): RowOf => {
    const row = Math.floor(i / perRow);
    return [Math.floor(row / perImage), row % perImage];
  };
  return (chunk: number): readonly [RowOf, RowOf] => [
    rowOf(chunk * perChunk),
    rowOf(Math.min(count, (chunk + 1) * perChunk) - 1),
  ];
};

/** The same, of the images that hold the rows. */
export const imagesOfSpan = (span: Span, perImage: number, height: number) => {
  const rows = rowsOfSpan(span, perImage);
  return (chunk: number): readonly [RowOf, RowOf] => {
    const [first, last] = rows(chunk);
    return [
      [first[0], 0],
      [last[0], height - 1],
    ];
  };
};

/** Chunks of blocks of `block` pixels, as rows of one pixel; `perImage` blocks cover the `pixels` of an image. */
export const pixelsOfSpan = (span: Span, perImage: number, block: number, pixels: number) => {
  const blocks = rowsOfSpan(span, perImage);
  return (chunk: number): readonly [RowOf, RowOf] => {
    const [first, last] = blocks(chunk);
    return [
      [first[0], first[1] * block],
      [last[0], Math.min(pixels, (last[1] + 1) * block) - 1],
    ];
  };
};
