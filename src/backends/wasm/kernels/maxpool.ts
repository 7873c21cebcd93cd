import { storeLanes } from './conv/output';
import { storeBoth } from './lanes';

@unmanaged
class MaxPoolArgs {
  /** The pooled tensor (`y` of `maxPool`, `x` of `maxUnpool`, `gx` of `maxGather`). */
  pooled: usize;
  pooledStride: usize;
  /** One byte per element of the pooled tensor. */
  index: usize;
  indexStride: usize;
  /** The image that is pooled or unpooled. */
  image: usize;
  imageStride: usize;
  channels: i32;
  pooledHeight: i32;
  pooledWidth: i32;
  height: i32;
  width: i32;
  kernel: i32;
  stride: i32;
  padding: i32;
}

/** Four bytes as four 32-bit lanes. */
// @ts-ignore: decorator
@inline
function bytes4(at: usize): v128 {
  return i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(at)));
}

/** Stores the first `rest` lanes, four at most, each a byte. */
// @ts-ignore: decorator
@inline
function storeBytes(to: usize, v: v128, rest: i32): void {
  const half = i16x8.narrow_i32x4_u(v, v);
  const bytes = i8x16.narrow_i16x8_u(half, half);
  if (rest >= 4) {
    v128.store32_lane(to, bytes, 0);
    return;
  }
  store<u8>(to, i8x16.extract_lane_u(bytes, 0));
  if (rest > 1) store<u8>(to, i8x16.extract_lane_u(bytes, 1), 1);
  if (rest > 2) store<u8>(to, i8x16.extract_lane_u(bytes, 2), 2);
}

/**
 * Sixteen channels of a window of `rows`×`columns` pixels from `p` on, the first at place `place` of the whole window: the largest
 * values to `y`, in pairs for 256 bits, their places, bytes, to `index`.
 */
function poolSixteen(
  p: usize,
  rows: i32,
  columns: i32,
  rowBytes: usize,
  step: usize,
  place: i32,
  kernel: i32,
  y: usize,
  index: usize,
): void {
  let a = f32x4.splat(-Infinity);
  let b = f32x4.splat(-Infinity);
  let c = f32x4.splat(-Infinity);
  let d = f32x4.splat(-Infinity);
  let places = i32x4.splat(0);
  for (let ky = 0; ky < rows; ky++) {
    let at = p;
    let tap = i8x16.splat(place as i8);
    for (let kx = 0; kx < columns; kx++) {
      const va = v128.load(at);
      const vb = v128.load(at, 16);
      const vc = v128.load(at, 32);
      const vd = v128.load(at, 48);
      const largerLow = i16x8.narrow_i32x4_s(f32x4.gt(va, a), f32x4.gt(vb, b));
      const largerHigh = i16x8.narrow_i32x4_s(f32x4.gt(vc, c), f32x4.gt(vd, d));
      places = v128.bitselect(tap, places, i8x16.narrow_i16x8_s(largerLow, largerHigh));
      a = f32x4.pmax(a, va);
      b = f32x4.pmax(b, vb);
      c = f32x4.pmax(c, vc);
      d = f32x4.pmax(d, vd);
      tap = i8x16.add(tap, i8x16.splat(1));
      at += step;
    }
    p += rowBytes;
    place += kernel;
  }
  storeBoth(y, a, b);
  storeBoth(y + 32, c, d);
  v128.store(index, places);
}

/** One chunk: one row of the pooled tensor. */
export function maxPool(a: MaxPoolArgs, chunk: i32, local: usize): void {
  const kernel = a.kernel;
  const step = a.imageStride;
  const rowBytes = (a.width as usize) * step;
  const top = (chunk % a.pooledHeight) * a.stride - a.padding;
  const image = a.image + (((chunk / a.pooledHeight) * a.height * a.width) as usize) * step;
  const k0 = max(0, -top);
  const k1 = min(kernel, a.height - top);
  let y = a.pooled + ((chunk * a.pooledWidth) as usize) * a.pooledStride;
  let index = a.index + ((chunk * a.pooledWidth) as usize) * a.indexStride;
  for (let ox = 0; ox < a.pooledWidth; ox++) {
    const left = ox * a.stride - a.padding;
    const l0 = max(0, -left);
    const l1 = min(kernel, a.width - left);
    const first = image + (((top + k0) * a.width + left + l0) as usize) * step;
    let c = 0;
    for (; c + 16 <= a.channels; c += 16) {
      const at = (c as usize) << 2;
      const to = index + (c as usize);
      poolSixteen(first + at, k1 - k0, l1 - l0, rowBytes, step, k0 * kernel + l0, kernel, y + at, to);
    }
    for (; c < a.channels; c += 4) {
      let best = f32x4.splat(-Infinity);
      let place = i32x4.splat(0);
      for (let ky = k0; ky < k1; ky++) {
        let at = image + (((top + ky) * a.width + left + l0) as usize) * step + ((c as usize) << 2);
        for (let kx = l0; kx < l1; kx++) {
          // Lanes past the last channel may hold anything: they are not stored.
          const v = v128.load(at);
          const larger = f32x4.gt(v, best);
          best = v128.bitselect(v, best, larger);
          place = v128.bitselect(i32x4.splat(ky * kernel + kx), place, larger);
          at += step;
        }
      }
      const rest = a.channels - c;
      storeLanes(y + ((c as usize) << 2), best, rest);
      storeBytes(index + (c as usize), place, rest);
    }
    y += a.pooledStride;
    index += a.indexStride;
  }
}

/** One chunk: one row of the image; every pixel asks the windows over it whether they chose it. */
export function maxUnpool(a: MaxPoolArgs, chunk: i32, local: usize): void {
  const kernel = a.kernel;
  const stride = a.stride;
  const row = (chunk % a.height) + a.padding;
  const pooledRows = (chunk / a.height) * a.pooledHeight;
  const oy0 = max(0, (row - kernel + stride) / stride);
  const oy1 = min(a.pooledHeight - 1, row / stride);
  let y = a.image + ((chunk * a.width) as usize) * a.imageStride;
  for (let ix = 0; ix < a.width; ix++) {
    const column = ix + a.padding;
    const ox0 = max(0, (column - kernel + stride) / stride);
    const ox1 = min(a.pooledWidth - 1, column / stride);
    let c = 0;
    for (; c + 4 <= a.channels; c += 4) {
      let sum = f32x4.splat(0);
      for (let oy = oy0; oy <= oy1; oy++) {
        for (let ox = ox0; ox <= ox1; ox++) {
          const pixel = ((pooledRows + oy) * a.pooledWidth + ox) as usize;
          const place = i32x4.splat((row - oy * stride) * kernel + column - ox * stride);
          const chosen = i32x4.eq(bytes4(a.index + pixel * a.indexStride + (c as usize)), place);
          const v = v128.load(a.pooled + pixel * a.pooledStride + ((c as usize) << 2));
          sum = f32x4.add(sum, v128.and(v, chosen));
        }
      }
      v128.store(y + ((c as usize) << 2), sum);
    }
    for (; c < a.channels; c++) {
      let sum: f32 = 0;
      for (let oy = oy0; oy <= oy1; oy++) {
        for (let ox = ox0; ox <= ox1; ox++) {
          const pixel = ((pooledRows + oy) * a.pooledWidth + ox) as usize;
          const place = (row - oy * stride) * kernel + column - ox * stride;
          if ((load<u8>(a.index + pixel * a.indexStride + (c as usize)) as i32) == place) {
            sum += load<f32>(a.pooled + pixel * a.pooledStride + ((c as usize) << 2));
          }
        }
      }
      store<f32>(y + ((c as usize) << 2), sum);
    }
    y += a.imageStride;
  }
}

/** One chunk: one row of the pooled tensor. */
export function maxGather(a: MaxPoolArgs, chunk: i32, local: usize): void {
  const kernel = a.kernel;
  const top = (chunk % a.pooledHeight) * a.stride - a.padding;
  const image = (chunk / a.pooledHeight) * a.height;
  let gx = a.pooled + ((chunk * a.pooledWidth) as usize) * a.pooledStride;
  let index = a.index + ((chunk * a.pooledWidth) as usize) * a.indexStride;
  for (let ox = 0; ox < a.pooledWidth; ox++) {
    const left = ox * a.stride - a.padding;
    for (let c = 0; c < a.channels; c++) {
      const place = load<u8>(index + (c as usize)) as i32;
      const pixel = (image + top + place / kernel) * a.width + left + (place % kernel);
      const at = (c as usize) << 2;
      store<f32>(gx + at, load<f32>(a.image + (pixel as usize) * a.imageStride + at));
    }
    gx += a.pooledStride;
    index += a.indexStride;
  }
}
