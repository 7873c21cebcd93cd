import { storeBoth } from './lanes';
import { Span } from './span';

/** Channels of a block: as many as have their sums in registers, and whole lines of memory. */
export const adaptiveChannels: i32 = 32;

@unmanaged
class AdaptiveArgs {
  /** One pixel per bin. */
  bins: usize;
  binsStride: usize;
  image: usize;
  imageStride: usize;
  channels: i32;
  rows: i32;
  columns: i32;
  height: i32;
  width: i32;
  /** Blocks of `adaptiveChannels`. */
  blocks: i32;
  /** Blocks of all bins; of the gradient, rows of all images. */
  span: Span;
}

/** Bin i of m over n pixels: `[⌊i·n/m⌋, ⌈(i + 1)·n/m⌉)`. */
// @ts-ignore: decorator
@inline
function first(i: i32, n: i32, m: i32): i32 {
  return (i * n) / m;
}
// @ts-ignore: decorator
@inline
function end(i: i32, n: i32, m: i32): i32 {
  return ((i + 1) * n + m - 1) / m;
}

/** `to += v` of eight channels. */
// @ts-ignore: decorator
@inline
function addEight(to: usize, low: v128, high: v128): void {
  storeBoth(to, f32x4.add(v128.load(to), low), f32x4.add(v128.load(to, 16), high));
}

/** Adds the sum of `count` pixels, 32 channels of each, to `to`. */
function addRow(p: usize, step: usize, count: i32, to: usize): void {
  let a0 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let a2 = f32x4.splat(0);
  let b2 = f32x4.splat(0);
  let a3 = f32x4.splat(0);
  let b3 = f32x4.splat(0);
  for (let i = 0; i < count; i++) {
    a0 = f32x4.add(a0, v128.load(p));
    b0 = f32x4.add(b0, v128.load(p, 16));
    a1 = f32x4.add(a1, v128.load(p, 32));
    b1 = f32x4.add(b1, v128.load(p, 48));
    a2 = f32x4.add(a2, v128.load(p, 64));
    b2 = f32x4.add(b2, v128.load(p, 80));
    a3 = f32x4.add(a3, v128.load(p, 96));
    b3 = f32x4.add(b3, v128.load(p, 112));
    p += step;
  }
  addEight(to, a0, b0);
  addEight(to + 32, a1, b1);
  addEight(to + 64, a2, b2);
  addEight(to + 96, a3, b3);
}

/** 32 channels of one bin. Rows are summed first, which keeps the rounding small. */
function poolBlock(a: AdaptiveArgs, block: i32): void {
  const bin = block / a.blocks;
  const image = bin / (a.rows * a.columns);
  const row = (bin / a.columns) % a.rows;
  const column = bin % a.columns;
  const top = first(row, a.height, a.rows);
  const bottom = end(row, a.height, a.rows);
  const left = first(column, a.width, a.columns);
  const right = end(column, a.width, a.columns);
  const weight: f32 = <f32>1 / (((bottom - top) * (right - left)) as f32);
  const out = a.bins + (bin as usize) * a.binsStride;
  const step = a.imageStride;
  const from = (block % a.blocks) * adaptiveChannels;
  const to = min(from + adaptiveChannels, a.channels);
  let channel = from;
  if (to - from == adaptiveChannels) {
    const at = (channel as usize) << 2;
    memory.fill(out + at, 0, 128);
    for (let y = top; y < bottom; y++) {
      const p = a.image + (((image * a.height + y) * a.width + left) as usize) * step + at;
      addRow(p, step, right - left, out + at);
    }
    for (let o = out + at; o < out + at + 128; o += 16) {
      v128.store(o, f32x4.mul(v128.load(o), f32x4.splat(weight)));
    }
    return;
  }
  for (; channel + 4 <= to; channel += 4) {
    const at = (channel as usize) << 2;
    let total = f32x4.splat(0);
    for (let y = top; y < bottom; y++) {
      let p = a.image + (((image * a.height + y) * a.width + left) as usize) * step + at;
      let sum = f32x4.splat(0);
      for (let x = left; x < right; x++) {
        sum = f32x4.add(sum, v128.load(p));
        p += step;
      }
      total = f32x4.add(total, sum);
    }
    v128.store(out + at, f32x4.mul(total, f32x4.splat(weight)));
  }
  for (; channel < to; channel++) {
    const at = (channel as usize) << 2;
    let total: f32 = 0;
    for (let y = top; y < bottom; y++) {
      let p = a.image + (((image * a.height + y) * a.width + left) as usize) * step + at;
      let sum: f32 = 0;
      for (let x = left; x < right; x++) {
        sum += load<f32>(p);
        p += step;
      }
      total += sum;
    }
    store<f32>(out + at, total * weight);
  }
}

export function adaptivePool(a: AdaptiveArgs, chunk: i32, local: usize): void {
  const last = a.span.last(chunk);
  for (let block = a.span.first(chunk); block < last; block++) poolBlock(a, block);
}

export function adaptivePoolGrad(a: AdaptiveArgs, chunk: i32, local: usize): void {
  const last = a.span.last(chunk);
  for (let row = a.span.first(chunk); row < last; row++) spreadRow(a, row);
}

/** One row of one image; every pixel takes from the bins over it. */
function spreadRow(a: AdaptiveArgs, index: i32): void {
  const image = index / a.height;
  const y = index % a.height;
  const bytes = (a.channels as usize) << 2;
  let p = a.image + ((index * a.width) as usize) * a.imageStride;
  for (let x = 0; x < a.width; x++) {
    for (let at: usize = 0; at < bytes; at += 4) store<f32>(p + at, 0);
    for (let row = 0; row < a.rows; row++) {
      const top = first(row, a.height, a.rows);
      const bottom = end(row, a.height, a.rows);
      if (y < top || y >= bottom) continue;
      for (let column = 0; column < a.columns; column++) {
        const left = first(column, a.width, a.columns);
        const right = end(column, a.width, a.columns);
        if (x < left || x >= right) continue;
        const weight: f32 = <f32>1 / (((bottom - top) * (right - left)) as f32);
        const from = a.bins + (((image * a.rows + row) * a.columns + column) as usize) * a.binsStride;
        let at: usize = 0;
        for (; at + 16 <= bytes; at += 16) {
          const g = f32x4.mul(v128.load(from + at), f32x4.splat(weight));
          v128.store(p + at, f32x4.add(v128.load(p + at), g));
        }
        for (; at < bytes; at += 4) store<f32>(p + at, load<f32>(p + at) + weight * load<f32>(from + at));
      }
    }
    p += a.imageStride;
  }
}
