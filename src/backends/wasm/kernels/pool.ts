import { laneMask } from './conv/input';
import { madd, prelu1, prelu4, storeBoth } from './lanes';

/**
 * Sums over square windows of several sizes at once. A window of size k weighs every pixel 1/k², so a pixel at
 * vertical distance e and horizontal distance d weighs `ring[max(d, e)]`, `ring[r] = Σ 1/k² over windows k ≥ 2r + 1`.
 * First down the columns, once for each horizontal distance: `T_d = ring[d]·(P₀ + … + P_d) + Σ_{e>d} ring[e]·P_e`,
 * `P_e` the sum of the two rows at distance e; then along the rows: `Σ_d T_d(x − d) + T_d(x + d)`.
 *
 * A tile of input is first copied to private memory, transformed, with zeros around it and channels padded to
 * whole vectors, so that no loop asks where the border is.
 */
@unmanaged
export class PyramidPoolArgs {
  x: usize;
  xStride: usize;
  y: usize;
  yStride: usize;
  /** Added to `y`, 0: nothing. */
  acc: usize;
  accStride: usize;
  preScale: usize;
  preShift: usize;
  preSlope: usize;
  scale: usize;
  shift: usize;
  slope: usize;
  xHeight: i32;
  xWidth: i32;
  yHeight: i32;
  yWidth: i32;
  channels: i32;
  stride: i32;
  radius: i32;
  ring0: f32;
  ring1: f32;
  ring2: f32;
  ring3: f32;
  /** Rows of `y` per chunk, chunks per image, columns of `y` per tile, channels per tile. */
  bandRows: i32;
  bands: i32;
  tileColumns: i32;
  tileChannels: i32;
}

/**
 * Copies pixels `[top, top + rows) × [left, left + columns)` and channels `[c0, c0 + count)` of an image to `to`,
 * `padded` channels a pixel, zeros outside the image; applies the prologue.
 */
// @ts-ignore: decorator
@inline
export function fillTile(
  a: PyramidPoolArgs,
  image: i32,
  top: i32,
  rows: i32,
  left: i32,
  columns: i32,
  c0: usize,
  count: usize,
  padded: usize,
  to: usize,
  hasScale: bool,
  hasSlope: bool,
): void {
  const preScale = a.preScale + (c0 << 2);
  const preShift = a.preShift + (c0 << 2);
  const preSlope = a.preSlope + (c0 << 2);
  const xStride = a.xStride;
  const pixelBytes = padded << 2;
  const end = count << 2;
  const body = end & ~15;
  const mask = laneMask((count & 3) as i32);
  const from = max(left, 0);
  const until = min(left + columns, a.xWidth);
  for (let r = 0; r < rows; r++) {
    const y = top + r;
    let out = to + ((r * columns) as usize) * pixelBytes;
    if (y < 0 || y >= a.xHeight || until <= from) {
      memory.fill(out, 0, (columns as usize) * pixelBytes);
      continue;
    }
    const before = ((from - left) as usize) * pixelBytes;
    memory.fill(out, 0, before);
    memory.fill(out + ((until - left) as usize) * pixelBytes, 0, ((left + columns - until) as usize) * pixelBytes);
    out += before;
    let x = a.x + (((image * a.xHeight + y) * a.xWidth + from) as usize) * a.xStride + (c0 << 2);
    for (let i = from; i < until; i++) {
      for (let c: usize = 0; c < body; c += 16) {
        let v = v128.load(x + c);
        if (hasScale) v = madd(v, v128.load(preScale + c), v128.load(preShift + c));
        if (hasSlope) v = prelu4(v, v128.load(preSlope + c));
        v128.store(out + c, v);
      }
      if (body < end && !hasScale && !hasSlope) {
        v128.store(out + body, v128.and(v128.load(x + body), mask));
      } else if (body < end) {
        v128.store(out + body, f32x4.splat(0));
        for (let c: usize = body; c < end; c += 4) {
          let v = load<f32>(x + c);
          if (hasScale) v = v * load<f32>(preScale + c) + load<f32>(preShift + c);
          if (hasSlope) v = prelu1(v, load<f32>(preSlope + c));
          store<f32>(out + c, v);
        }
      }
      x += xStride;
      out += pixelBytes;
    }
  }
}

/**
 * The first `end` bytes of `T_0 … T_radius` of one row, `bytes` apart, at `to`: `up[e]` and `down[e]` are the rows at distance e. All loops
 * over e unfold, because `radius` is a constant where this is inlined.
 */
// @ts-ignore: decorator
@inline
function columns(
  a: PyramidPoolArgs,
  radius: i32,
  end: usize,
  bytes: usize,
  to: usize,
  center: usize,
  up1: usize,
  down1: usize,
  up2: usize,
  down2: usize,
  up3: usize,
  down3: usize,
): void {
  const ring0 = f32x4.splat(a.ring0);
  const ring1 = f32x4.splat(a.ring1);
  const ring2 = f32x4.splat(a.ring2);
  const ring3 = f32x4.splat(a.ring3);
  const zero = f32x4.splat(0);
  const body = end & ~31;
  for (let i: usize = 0; i < body; i += 32) {
    const p0 = v128.load(center + i);
    const q0 = v128.load(center + i, 16);
    const p1 = radius > 0 ? f32x4.add(v128.load(up1 + i), v128.load(down1 + i)) : zero;
    const q1 = radius > 0 ? f32x4.add(v128.load(up1 + i, 16), v128.load(down1 + i, 16)) : zero;
    const p2 = radius > 1 ? f32x4.add(v128.load(up2 + i), v128.load(down2 + i)) : zero;
    const q2 = radius > 1 ? f32x4.add(v128.load(up2 + i, 16), v128.load(down2 + i, 16)) : zero;
    const p3 = radius > 2 ? f32x4.add(v128.load(up3 + i), v128.load(down3 + i)) : zero;
    const q3 = radius > 2 ? f32x4.add(v128.load(up3 + i, 16), v128.load(down3 + i, 16)) : zero;
    const s1 = f32x4.add(p0, p1);
    const t1 = f32x4.add(q0, q1);
    const s2 = f32x4.add(s1, p2);
    const t2 = f32x4.add(t1, q2);
    const r3 = radius > 2 ? f32x4.mul(ring3, p3) : zero;
    const u3 = radius > 2 ? f32x4.mul(ring3, q3) : zero;
    const r2 = radius > 1 ? madd(ring2, p2, r3) : zero;
    const u2 = radius > 1 ? madd(ring2, q2, u3) : zero;
    const r1 = radius > 0 ? madd(ring1, p1, r2) : zero;
    const u1 = radius > 0 ? madd(ring1, q1, u2) : zero;
    if (radius > 2) {
      storeBoth(to + i + 3 * bytes, f32x4.mul(ring3, f32x4.add(s2, p3)), f32x4.mul(ring3, f32x4.add(t2, q3)));
    }
    if (radius > 1) storeBoth(to + i + 2 * bytes, madd(ring2, s2, r3), madd(ring2, t2, u3));
    if (radius > 0) storeBoth(to + i + bytes, madd(ring1, s1, r2), madd(ring1, t1, u2));
    storeBoth(to + i, madd(ring0, p0, r1), madd(ring0, q0, u1));
  }
  if (body < end) {
    const p0 = v128.load(center + body);
    const p1 = radius > 0 ? f32x4.add(v128.load(up1 + body), v128.load(down1 + body)) : zero;
    const p2 = radius > 1 ? f32x4.add(v128.load(up2 + body), v128.load(down2 + body)) : zero;
    const p3 = radius > 2 ? f32x4.add(v128.load(up3 + body), v128.load(down3 + body)) : zero;
    const s1 = f32x4.add(p0, p1);
    const s2 = f32x4.add(s1, p2);
    const r3 = radius > 2 ? f32x4.mul(ring3, p3) : zero;
    const r2 = radius > 1 ? madd(ring2, p2, r3) : zero;
    const r1 = radius > 0 ? madd(ring1, p1, r2) : zero;
    if (radius > 2) v128.store(to + body + 3 * bytes, f32x4.mul(ring3, f32x4.add(s2, p3)));
    if (radius > 1) v128.store(to + body + 2 * bytes, madd(ring2, s2, r3));
    if (radius > 0) v128.store(to + body + bytes, madd(ring1, s1, r2));
    v128.store(to + body, madd(ring0, p0, r1));
  }
}

// @ts-ignore: decorator
@inline
export function columnsOf(
  a: PyramidPoolArgs,
  end: usize,
  bytes: usize,
  to: usize,
  center: usize,
  up1: usize,
  down1: usize,
  up2: usize,
  down2: usize,
  up3: usize,
  down3: usize,
): void {
  if (a.radius == 3) columns(a, 3, end, bytes, to, center, up1, down1, up2, down2, up3, down3);
  else if (a.radius == 2) columns(a, 2, end, bytes, to, center, up1, down1, up2, down2, up3, down3);
  else if (a.radius == 1) columns(a, 1, end, bytes, to, center, up1, down1, up2, down2, up3, down3);
  else columns(a, 0, end, bytes, to, center, up1, down1, up2, down2, up3, down3);
}

/** Sum of a row of `T` around column `at`. */
// @ts-ignore: decorator
@inline
export function along(radius: i32, at: usize, bytes: usize, pixel: usize): v128 {
  let v = v128.load(at);
  if (radius > 0) {
    const t = at + bytes;
    v = f32x4.add(v, f32x4.add(v128.load(t - pixel), v128.load(t + pixel)));
  }
  if (radius > 1) {
    const t = at + 2 * bytes;
    v = f32x4.add(v, f32x4.add(v128.load(t - 2 * pixel), v128.load(t + 2 * pixel)));
  }
  if (radius > 2) {
    const t = at + 3 * bytes;
    v = f32x4.add(v, f32x4.add(v128.load(t - 3 * pixel), v128.load(t + 3 * pixel)));
  }
  return v;
}

/** Stores `v` to channels `c …` of a pixel of `y`, after the epilogue; `left` channels remain. */
// @ts-ignore: decorator
@inline
export function finish(a: PyramidPoolArgs, v: v128, c: usize, left: usize, y: usize, acc: usize): void {
  if (left >= 4) {
    if (a.scale) v = madd(v, v128.load(a.scale + c), v128.load(a.shift + c));
    if (a.slope) v = prelu4(v, v128.load(a.slope + c));
    if (a.acc) v = f32x4.add(v, v128.load(acc + c));
    v128.store(y + c, v);
    return;
  }
  for (let i: usize = 0; i < left; i++) {
    let s = f32x4.extract_lane(v, 0);
    v = i8x16.shuffle(v, v, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3);
    const at = c + (i << 2);
    if (a.scale) s = s * load<f32>(a.scale + at) + load<f32>(a.shift + at);
    if (a.slope) s = prelu1(s, load<f32>(a.slope + at));
    if (a.acc) s += load<f32>(acc + at);
    store<f32>(y + at, s);
  }
}

// @ts-ignore: decorator
@inline
function poolRow(
  a: PyramidPoolArgs,
  radius: i32,
  sums: usize,
  bytes: usize,
  pixel: usize,
  count: i32,
  c0: usize,
  channels: usize,
  y: usize,
): void {
  const step = (a.stride as usize) * pixel;
  let at = sums + (radius as usize) * pixel;
  for (let x = 0; x < count; x++) {
    for (let c: usize = 0; c < channels; c += 4) {
      finish(a, along(radius, at + (c << 2), bytes, pixel), (c0 + c) << 2, channels - c, y, 0);
    }
    at += step;
    y += a.yStride;
  }
}

export function pyramidPool(a: PyramidPoolArgs, chunk: i32, local: usize): void {
  const radius = a.radius;
  const stride = a.stride;
  const image = chunk / a.bands;
  const firstRow = (chunk % a.bands) * a.bandRows;
  const lastRow = min(firstRow + a.bandRows, a.yHeight);
  const rows = (lastRow - 1 - firstRow) * stride + 1 + 2 * radius;
  const top = firstRow * stride - radius;
  const channels = a.channels;
  for (let x0 = 0; x0 < a.yWidth; x0 += a.tileColumns) {
    const count = min(a.tileColumns, a.yWidth - x0);
    const tileWidth = (count - 1) * stride + 1 + 2 * radius;
    for (let c0 = 0; c0 < channels; c0 += a.tileChannels) {
      const part = min(a.tileChannels, channels - c0) as usize;
      const pixel = ((part + 3) & ~3) << 2;
      const bytes = (tileWidth as usize) * pixel;
      const tile = local;
      const sums = local + (rows as usize) * bytes;
      const left = x0 * stride - radius;
      const padded = pixel >> 2;
      if (a.preScale) {
        if (a.preSlope) fillTile(a, image, top, rows, left, tileWidth, c0, part, padded, tile, true, true);
        else fillTile(a, image, top, rows, left, tileWidth, c0, part, padded, tile, true, false);
      } else {
        if (a.preSlope) fillTile(a, image, top, rows, left, tileWidth, c0, part, padded, tile, false, true);
        else fillTile(a, image, top, rows, left, tileWidth, c0, part, padded, tile, false, false);
      }
      for (let row = firstRow; row < lastRow; row++) {
        const center = tile + (((row - firstRow) * stride + radius) as usize) * bytes;
        columnsOf(
          a,
          bytes,
          bytes,
          sums,
          center,
          center - bytes,
          center + bytes,
          center - 2 * bytes,
          center + 2 * bytes,
          center - 3 * bytes,
          center + 3 * bytes,
        );
        const y = a.y + (((image * a.yHeight + row) * a.yWidth + x0) as usize) * a.yStride;
        if (radius == 3) poolRow(a, 3, sums, bytes, pixel, count, c0, part, y);
        else if (radius == 2) poolRow(a, 2, sums, bytes, pixel, count, c0, part, y);
        else if (radius == 1) poolRow(a, 1, sums, bytes, pixel, count, c0, part, y);
        else poolRow(a, 0, sums, bytes, pixel, count, c0, part, y);
      }
    }
  }
}
