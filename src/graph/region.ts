import type { Shape } from '../ir/value.js';
import { elementBytes } from '../ir/value.js';
import type { TensorRef } from './planned.js';

/** Bytes `[start, start + width)`, repeated `rows` times every `stride` bytes: a range of channels of a tensor. */
export interface Region {
  readonly start: number;
  readonly width: number;
  readonly stride: number;
  readonly rows: number;
  /** After the last byte. */
  readonly end: number;
}

/** Columns of a region, in bytes. */
export interface Columns {
  readonly from: number;
  readonly to: number;
}

const pixelsOf = ([n, h, w]: Shape): number => n * h * w;

/** The memory of channels `[from, to)` of a tensor, by default of all. */
export function regionOf(ref: TensorRef, from = 0, to = ref.shape[3]): Region {
  const element = elementBytes[ref.dtype];
  const [start, width, stride] = [
    ref.offset + element * from,
    element * (to - from),
    element * ref.pixelStride,
  ];
  const rows = pixelsOf(ref.shape);
  return { start, width, stride, rows, end: start + (rows - 1) * stride + width };
}

/** Columns of `a` that `b` covers, if any. Of differently shaped regions that meet, all. */
export function coveredColumns(a: Region, b: Region): Columns | undefined {
  if (a.start >= b.end || b.start >= a.end) return undefined;
  const shift = b.start - a.start;
  if (a.stride !== b.stride || a.rows !== b.rows || Math.abs(shift) >= a.stride)
    return { from: 0, to: a.width };
  const [from, to] = [Math.max(0, shift), Math.min(a.width, shift + b.width)];
  return from < to ? { from, to } : undefined;
}
