/** Which bytes of memory a chunk of a stage reads and writes: from it follows what must be done before it starts. */
import type { Call, TensorRef } from '../../graph/planned.js';
import { elementBytes } from '../../ir/value.js';
import type { Range, Touched } from './stage.js';
import { arenaBase, pixelsOf, pointer } from './stage.js';

/** Pixels `[first, last)` of all images. */
export function pixelsRange(ref: TensorRef, first: number, last: number): Range {
  const bytes = elementBytes[ref.dtype];
  const stride = bytes * ref.pixelStride;
  const from = pointer(ref) + first * stride;
  return [from, from + Math.max(0, last - first - 1) * stride + bytes * ref.shape[3]];
}

export const wholeRange = (ref: TensorRef): Range => pixelsRange(ref, 0, pixelsOf(ref));

/** Of the tensors that are there. */
export const wholeRanges = (...refs: readonly (TensorRef | undefined)[]): Range[] =>
  refs.filter((ref) => ref !== undefined).map(wholeRange);

/** A row of an image. */
export type RowOf = readonly [image: number, row: number];

/** Rows from one to another, which may be of a later image; what lies outside an image is left out. */
export function rowsRange(ref: TensorRef, first: RowOf, last: RowOf): Range {
  const [, height, width] = ref.shape;
  const inside = (row: number) => Math.min(height - 1, Math.max(0, row));
  const from = (first[0] * height + inside(first[1])) * width;
  return pixelsRange(ref, from, (last[0] * height + inside(last[1]) + 1) * width);
}

export const memoryRange = (at: number, bytes: number): Range => [at, at + bytes];

/** Everything that a call knows: what a stage touches that does not say. */
export function ofCalls(calls: readonly Call[]): Touched {
  const own = calls.flatMap(({ scratch, kept }) =>
    [scratch, kept].flatMap((part) => (part ? [memoryRange(arenaBase + part.offset, part.bytes)] : [])),
  );
  const ranges = (refs: (call: Call) => Readonly<Record<string, TensorRef | undefined>>) =>
    calls.flatMap((call) => wholeRanges(...Object.values(refs(call))));
  return { reads: ranges(({ inputs }) => inputs), writes: [...ranges(({ outputs }) => outputs), ...own] };
}
