/** Convolutions of upsampled maps whose taps come before the upsampling (`ops/taps.ts`). */
import { Axes, cellOf, fractionAt } from './axes';
import { madd, storeBoth } from './lanes';
import { Span } from './span';

@unmanaged
class WeightPartArgs {
  weight: usize;
  weightStride: usize;
  y: usize;
  yStride: usize;
  taps: i32;
  inputs: i32;
  outputs: i32;
  /** Inputs copied: from this one on, to this one on of the result, which has `count`. */
  from: i32;
  first: i32;
  count: i32;
  /** Whether the outputs of each tap are outputs of their own. */
  apart: i32;
  span: Span;
}

export function weightPart(a: WeightPartArgs, chunk: i32, local: usize): void {
  const last = a.span.last(chunk);
  const bytes = (a.outputs as usize) << 2;
  for (let i = a.span.first(chunk); i < last; i++) {
    for (let tap = 0; tap < a.taps; tap++) {
      const to = a.apart
        ? ((a.first + i) as usize) * a.yStride + (tap as usize) * bytes
        : ((tap * a.count + a.first + i) as usize) * a.yStride;
      memory.copy(a.y + to, a.weight + ((tap * a.inputs + a.from + i) as usize) * a.weightStride, bytes);
    }
  }
}

@unmanaged
class UpsampleTapsArgs {
  x: usize;
  xStride: usize;
  /** Added, or 0. */
  sum: usize;
  sumStride: usize;
  y: usize;
  yStride: usize;
  /** Of one tap. */
  channels: i32;
  /** Of the result. */
  rows: i32;
  columns: i32;
  /** Rows of all images. */
  span: Span;
  kernelY: i32;
  kernelX: i32;
  dilationY: i32;
  dilationX: i32;
  paddingY: i32;
  paddingX: i32;
  axes: Axes;
}

/** `to += a + t·(b − a)`, eight floats a turn as far as there are so many. */
function addBetween(a: usize, b: usize, t: f32, channels: i32, to: usize): void {
  const end = to + ((channels as usize) << 2);
  const t4 = f32x4.splat(t);
  for (const whole = to + ((channels & ~7) << 2); to < whole; to += 32) {
    const p = v128.load(a);
    const q = v128.load(a, 16);
    const u = madd(t4, f32x4.sub(v128.load(b), p), p);
    const v = madd(t4, f32x4.sub(v128.load(b, 16), q), q);
    storeBoth(to, f32x4.add(v128.load(to), u), f32x4.add(v128.load(to, 16), v));
    a += 32;
    b += 32;
  }
  for (; to < end; to += 4) {
    const p = load<f32>(a);
    store<f32>(to, load<f32>(to) + (p + t * (load<f32>(b) - p)));
    a += 4;
    b += 4;
  }
}

/** Row by row: what the taps of a column of the window make is added up along the rows first, then between the columns. */
export function upsampleTaps(a: UpsampleTapsArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const channels = a.channels;
  const bytes = (channels as usize) << 2;
  const pixel = (bytes + 15) & ~15;
  const width = t.coarseWidth;
  const coarseRow = (width as usize) * a.xStride;
  const last = a.span.last(chunk);
  for (let row = a.span.first(chunk); row < last; row++) {
    const n = row / a.rows;
    const i = row - n * a.rows;
    const image = a.x + ((n * t.coarseHeight) as usize) * coarseRow;
    memory.fill(local, 0, ((a.kernelX * width) as usize) * pixel);
    for (let ky = 0; ky < a.kernelY; ky++) {
      const fine = i + a.dilationY * ky - a.paddingY;
      if (fine < 0 || fine >= t.fineHeight) continue;
      const r = cellOf(t.rowStarts, t.coarseHeight, fine);
      const top = image + (r as usize) * coarseRow;
      const bottom = r + 1 < t.coarseHeight ? top + coarseRow : top;
      const s = fractionAt(t.rowFractions, fine);
      let to = local;
      for (let kx = 0; kx < a.kernelX; kx++) {
        let at = ((ky * a.kernelX + kx) as usize) * bytes;
        for (let q = 0; q < width; q++) {
          addBetween(top + at, bottom + at, s, channels, to);
          at += a.xStride;
          to += pixel;
        }
      }
    }
    let y = a.y + ((row * a.columns) as usize) * a.yStride;
    let sum = a.sum + ((row * a.columns) as usize) * a.sumStride;
    for (let j = 0; j < a.columns; j++) {
      if (!a.sum) memory.fill(y, 0, bytes);
      else if (sum != y) memory.copy(y, sum, bytes);
      for (let kx = 0; kx < a.kernelX; kx++) {
        const fine = j + a.dilationX * kx - a.paddingX;
        if (fine < 0 || fine >= t.fineWidth) continue;
        const q = cellOf(t.columnStarts, width, fine);
        const left = local + ((kx * width + q) as usize) * pixel;
        addBetween(left, q + 1 < width ? left + pixel : left, fractionAt(t.columnFractions, fine), channels, y);
      }
      y += a.yStride;
      sum += a.sumStride;
    }
  }
}
