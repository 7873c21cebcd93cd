import { Floats, Ints } from './tables';

/** Tables of a bilinear resize (`axes` of the backend's `lower/resize.ts` makes them). */
@unmanaged
export class Axes {
  coarseHeight: i32;
  coarseWidth: i32;
  fineHeight: i32;
  fineWidth: i32;
  /** `starts[q] … starts[q + 1] − 1`: fine rows between coarse rows q and q + 1; one entry more than coarse rows. */
  rowStarts: Ints;
  /** Weight of coarse row q + 1 at each fine row. */
  rowFractions: Floats;
  columnStarts: Ints;
  /** Read eight at a time, past the last too. */
  columnFractions: Floats;
}

/** Entry `i` of a table of starts. */
// @ts-ignore: decorator
@inline
export function startAt(table: usize, i: i32): i32 {
  return load<i32>(table + ((i as usize) << 2));
}

/** Entry `i` of a table of fractions. */
// @ts-ignore: decorator
@inline
export function fractionAt(table: usize, i: i32): f32 {
  return load<f32>(table + ((i as usize) << 2));
}

/** The coarse pixel whose cell holds fine pixel `i`: the last with `starts[q] ≤ i` and pixels of its own. */
export function cellOf(starts: usize, cells: i32, i: i32): i32 {
  let low = 0;
  let high = cells - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (startAt(starts, middle) <= i) low = middle;
    else high = middle - 1;
  }
  return low;
}
