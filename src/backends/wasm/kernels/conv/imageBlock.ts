import { is, prelu4, storeBoth } from '../lanes';
import { storeSome } from './output';

/** What all products share, at the start of `local`, with what they need to lie at hand; the ring follows. */
@unmanaged
export class ImageBlock {
  /** Rows of taps, and the bytes of one. */
  lines: i32;
  lineBytes: usize;
  /** Bytes from pixel to pixel. */
  xStep: usize;
  yStep: usize;
  wStep: usize;
  /** Of 16 outputs: bytes from the weights of the first 8 to the others, and from an input to the next. */
  second: usize;
  turn: usize;
  /** Bytes from the bias and slope of 8 outputs to those of the next 8: zero where there are none. */
  biasStep: usize;
  slopeStep: usize;
  /** Address of room for eight outputs. */
  spare: usize;
  /** Address of the first of the rows of taps' addresses. */
  rows: usize;
}

// @ts-ignore: decorator
@inline
export function write<Activate, Some>(
  y: usize,
  low: v128,
  high: v128,
  bias: usize,
  slope: usize,
  rest: i32,
  spare: usize,
): void {
  if (is<Activate>()) {
    low = prelu4(f32x4.add(low, v128.load(bias)), v128.load(slope));
    high = prelu4(f32x4.add(high, v128.load(bias, 16)), v128.load(slope, 16));
  }
  if (is<Some>()) storeSome(y, low, high, rest, spare);
  else storeBoth(y, low, high);
}
