import { Axes, fractionAt, startAt } from './axes';
import { largestLane, madd } from './lanes';
import { Span } from './span';

@unmanaged
class ArgmaxArgs {
  x: usize;
  xStride: usize;
  channels: i32;
  pixels: Span;
  labels: usize;
}

/** Which of eight channels equal `best`, as 16-bit lanes. */
// @ts-ignore: decorator
@inline
function equalLanes(x: usize, best: v128): v128 {
  return i16x8.narrow_i32x4_s(f32x4.eq(v128.load(x), best), f32x4.eq(v128.load(x, 16), best));
}

/** Bits of the channels that equal `best`, and of the last; its four from a vector that may overlap the one before. */
// @ts-ignore: decorator
@inline
function channelsEqual(x: usize, body: usize, end: usize, best: v128): u64 {
  let found: u64 = 0;
  let c: usize = 0;
  for (; c + 64 <= body; c += 64) {
    const low = equalLanes(x + c, best);
    const high = equalLanes(x + c + 32, best);
    found |= (i8x16.bitmask(i8x16.narrow_i16x8_s(low, high)) as u64) << ((c >> 2) as u64);
  }
  for (; c < body; c += 16) {
    found |= (i32x4.bitmask(f32x4.eq(v128.load(x + c), best)) as u64) << ((c >> 2) as u64);
  }
  const last = end - 16;
  // Not a number equals nothing: the last channel then, and never one that does not exist.
  found |= (1 as u64) << (((end >> 2) - 1) as u64);
  return found | ((i32x4.bitmask(f32x4.eq(v128.load(x + last), best)) as u64) << ((last >> 2) as u64));
}

/** The largest of the channels in `end` bytes at `x`, the first on ties. */
// @ts-ignore: decorator
@inline
export function largestChannel(x: usize, end: usize): u8 {
  const body = end & ~15;
  let best = load<f32>(x);
  if (body) {
    let best4 = v128.load(x + end - 16);
    let c: usize = 0;
    for (; c + 64 <= body; c += 64) {
      const low = f32x4.pmax(v128.load(x + c), v128.load(x + c, 16));
      const high = f32x4.pmax(v128.load(x + c, 32), v128.load(x + c, 48));
      best4 = f32x4.pmax(best4, f32x4.pmax(low, high));
    }
    for (; c < body; c += 16) best4 = f32x4.pmax(best4, v128.load(x + c));
    best = largestLane(best4);
    // No branch depends on the values: which class a pixel has is hard to predict.
    if (end <= 256) return ctz(channelsEqual(x, body, end, f32x4.splat(best))) as u8;
  } else {
    for (let c: usize = 4; c < end; c += 4) best = max<f32>(best, load<f32>(x + c));
  }
  let label: usize = 0;
  while (label + 4 < end && load<f32>(x + label) != best) label += 4;
  return (label >> 2) as u8;
}

/** The largest channel of every pixel, as u8. */
export function argmax(a: ArgmaxArgs, chunk: i32, local: usize): void {
  const last = a.pixels.last(chunk);
  const end = (a.channels as usize) << 2;
  for (let i = a.pixels.first(chunk); i < last; i++) {
    store<u8>(a.labels + (i as usize), largestChannel(a.x + (i as usize) * a.xStride, end));
  }
}

@unmanaged
class ResizeArgmaxArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  channels: i32;
  /** The class of every coarse pixel. */
  coarseLabels: usize;
  bandRows: i32;
  bands: i32;
  axes: Axes;
}

/**
 * Within the cell between four coarse pixels every value is a mean of the four. So a class that wins at all four
 * wins everywhere, and a class can only win somewhere if its largest corner reaches `max over classes of the
 * smallest corner`: most cells are filled without looking at a pixel, and the others compare two or three classes.
 */
export function resizeArgmax(a: ResizeArgmaxArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const width = t.coarseWidth;
  const image = chunk / a.bands;
  const first = (chunk % a.bands) * a.bandRows;
  const last = min(first + a.bandRows, t.coarseHeight);
  const rowBytes = (width as usize) * a.xStride;
  const fineRowBytes = (t.fineWidth as usize) * a.yStride;
  for (let r = first; r < last; r++) {
    const top = startAt(t.rowStarts, r);
    const bottom = startAt(t.rowStarts, r + 1);
    if (top == bottom) continue;
    const down = r + 1 < t.coarseHeight;
    const row = a.x + ((image * t.coarseHeight + r) as usize) * rowBytes;
    const labels = a.coarseLabels + (((image * t.coarseHeight + r) * width) as usize);
    const y = a.y + ((image * t.fineHeight) as usize) * fineRowBytes;
    for (let q = 0; q < width; q++) {
      const left = startAt(t.columnStarts, q);
      const right = startAt(t.columnStarts, q + 1);
      const l0 = labels + (q as usize);
      const l1 = down ? l0 + (width as usize) : l0;
      const next: usize = q + 1 < width ? 1 : 0;
      const label = load<u8>(l0);
      if (label == load<u8>(l0 + next) && label == load<u8>(l1) && label == load<u8>(l1 + next)) {
        for (let i = top; i < bottom; i++) {
          const to = y + (i as usize) * fineRowBytes;
          for (let x = left; x < right; x++) store<u8>(to + (x as usize) * a.yStride, label);
        }
        continue;
      }
      const x0 = row + (q as usize) * a.xStride;
      const x1 = down ? x0 + rowBytes : x0;
      borderCell(a, t, x0, x1, next * a.xStride, top, bottom, left, right, y, fineRowBytes, local);
    }
  }
}

/** The pixels of a cell whose corners disagree: top corners at `x0`, bottom ones at `x1`, right ones `next` further. */
function borderCell(
  a: ResizeArgmaxArgs,
  t: Axes,
  x0: usize,
  x1: usize,
  next: usize,
  top: i32,
  bottom: i32,
  left: i32,
  right: i32,
  y: usize,
  fineRowBytes: usize,
  local: usize,
): void {
  const end = (a.channels as usize) << 2;
  const body = end & ~15;
  const padded = (end + 15) & ~15;
  // Largest corner of each class; the sure height: some class is at least this everywhere.
  const largest = local;
  let sure: f32 = -Infinity;
  let sure4 = f32x4.splat(-Infinity);
  for (let c: usize = 0; c < body; c += 16) {
    const p = v128.load(x0 + c);
    const q = v128.load(x0 + next + c);
    const r = v128.load(x1 + c);
    const s = v128.load(x1 + next + c);
    v128.store(largest + c, f32x4.pmax(f32x4.pmax(p, q), f32x4.pmax(r, s)));
    sure4 = f32x4.pmax(sure4, f32x4.pmin(f32x4.pmin(p, q), f32x4.pmin(r, s)));
  }
  if (body) sure = largestLane(sure4);
  for (let c: usize = body; c < end; c += 4) {
    const p = load<f32>(x0 + c);
    const q = load<f32>(x0 + next + c);
    const r = load<f32>(x1 + c);
    const s = load<f32>(x1 + next + c);
    store<f32>(largest + c, max<f32>(max<f32>(p, q), max<f32>(r, s)));
    sure = max<f32>(sure, min<f32>(min<f32>(p, q), min<f32>(r, s)));
  }
  const candidates = local + padded;
  const lefts = candidates + padded;
  const rights = lefts + padded;
  let count: usize = 0;
  store<u32>(candidates, 0);
  for (let c: usize = 0; c < end; c += 4) {
    if (load<f32>(largest + c) >= sure) {
      store<u32>(candidates + count, c as u32);
      count += 4;
    }
  }
  for (let i = top; i < bottom; i++) {
    const v = fractionAt(t.rowFractions, i);
    for (let k: usize = 0; k < count; k += 4) {
      const c = load<u32>(candidates + k) as usize;
      const l = load<f32>(x0 + c);
      const r = load<f32>(x0 + next + c);
      const l1 = l + v * (load<f32>(x1 + c) - l);
      store<f32>(lefts + k, l1);
      store<f32>(rights + k, r + v * (load<f32>(x1 + next + c) - r) - l1);
    }
    const to = y + (i as usize) * fineRowBytes;
    for (let x = left; x < right; x += 4) {
      // Past the last column the fractions are those of the next cell or of the next table: computed, not stored.
      const s = v128.load(t.columnFractions + ((x as usize) << 2));
      let best = madd(s, v128.load32_splat(rights), v128.load32_splat(lefts));
      let label = i32x4.splat(load<i32>(candidates));
      for (let k: usize = 4; k < count; k += 4) {
        const z = madd(s, v128.load32_splat(rights + k), v128.load32_splat(lefts + k));
        label = v128.bitselect(v128.load32_splat(candidates + k), label, f32x4.gt(z, best));
        best = f32x4.pmax(best, z);
      }
      const at = to + (x as usize) * a.yStride;
      store<u8>(at, i32x4.extract_lane(label, 0) >> 2);
      if (x + 1 < right) store<u8>(at + a.yStride, i32x4.extract_lane(label, 1) >> 2);
      if (x + 2 < right) store<u8>(at + 2 * a.yStride, i32x4.extract_lane(label, 2) >> 2);
      if (x + 3 < right) store<u8>(at + 3 * a.yStride, i32x4.extract_lane(label, 3) >> 2);
    }
  }
}
