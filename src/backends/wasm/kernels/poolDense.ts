/** Pooling without a copy of the input. What did not work: docs/performance.md#what-did-not-work. */
import { is, madd, No, prelu4, storeBoth, Yes } from './lanes';
import { along, columnsOf, PyramidPoolArgs } from './pool';

/** A row of the image, or zeros beyond its border. */
// @ts-ignore: decorator
@inline
function rowAt(y: i32, height: i32, image: usize, rowBytes: usize, zeros: usize): usize {
  return <u32>y < <u32>height ? image + (y as usize) * rowBytes : zeros;
}

/** Reads `end` bytes line after line, so that they are in the cache when they are used. `to`: written afterwards. */
function fetch(x: usize, end: usize, to: usize): void {
  let sum = f32x4.splat(0);
  for (let i: usize = 0; i < end; i += 64) sum = v128.xor(sum, v128.load(x + i));
  v128.store(to, sum);
}

/**
 * `columns` for radius 3 and stride 2, where the columns at even distance from the centre of a window need `T_0` and
 * `T_2` alone and the others `T_1` and `T_3`. `odd`: the first column is one of the others.
 */
function alternate(
  a: PyramidPoolArgs,
  odd: bool,
  end: usize,
  pixel: usize,
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
  const body = pixel & ~31;
  let i: usize = 0;
  while (i < end) {
    const whole = i + body;
    const next = i + pixel;
    if (odd) {
      for (; i < whole; i += 32) {
        const p1 = f32x4.add(v128.load(center + i), f32x4.add(v128.load(up1 + i), v128.load(down1 + i)));
        const q1 = f32x4.add(v128.load(center + i, 16), f32x4.add(v128.load(up1 + i, 16), v128.load(down1 + i, 16)));
        const p2 = f32x4.add(v128.load(up2 + i), v128.load(down2 + i));
        const q2 = f32x4.add(v128.load(up2 + i, 16), v128.load(down2 + i, 16));
        const p3 = f32x4.mul(ring3, f32x4.add(v128.load(up3 + i), v128.load(down3 + i)));
        const q3 = f32x4.mul(ring3, f32x4.add(v128.load(up3 + i, 16), v128.load(down3 + i, 16)));
        storeBoth(to + i + bytes, madd(ring1, p1, madd(ring2, p2, p3)), madd(ring1, q1, madd(ring2, q2, q3)));
        storeBoth(to + i + 3 * bytes, madd(ring3, f32x4.add(p1, p2), p3), madd(ring3, f32x4.add(q1, q2), q3));
      }
      if (i < next) {
        const s1 = f32x4.add(v128.load(center + i), f32x4.add(v128.load(up1 + i), v128.load(down1 + i)));
        const p2 = f32x4.add(v128.load(up2 + i), v128.load(down2 + i));
        const rest = f32x4.mul(ring3, f32x4.add(v128.load(up3 + i), v128.load(down3 + i)));
        v128.store(to + i + bytes, madd(ring1, s1, madd(ring2, p2, rest)));
        v128.store(to + i + 3 * bytes, madd(ring3, f32x4.add(s1, p2), rest));
      }
    } else {
      for (; i < whole; i += 32) {
        const p0 = v128.load(center + i);
        const q0 = v128.load(center + i, 16);
        const p1 = f32x4.add(v128.load(up1 + i), v128.load(down1 + i));
        const q1 = f32x4.add(v128.load(up1 + i, 16), v128.load(down1 + i, 16));
        const p2 = f32x4.add(v128.load(up2 + i), v128.load(down2 + i));
        const q2 = f32x4.add(v128.load(up2 + i, 16), v128.load(down2 + i, 16));
        const p3 = f32x4.mul(ring3, f32x4.add(v128.load(up3 + i), v128.load(down3 + i)));
        const q3 = f32x4.mul(ring3, f32x4.add(v128.load(up3 + i, 16), v128.load(down3 + i, 16)));
        storeBoth(
          to + i,
          madd(ring0, p0, madd(ring1, p1, madd(ring2, p2, p3))),
          madd(ring0, q0, madd(ring1, q1, madd(ring2, q2, q3))),
        );
        storeBoth(
          to + i + 2 * bytes,
          madd(ring2, f32x4.add(f32x4.add(p0, p1), p2), p3),
          madd(ring2, f32x4.add(f32x4.add(q0, q1), q2), q3),
        );
      }
      if (i < next) {
        const p0 = v128.load(center + i);
        const p1 = f32x4.add(v128.load(up1 + i), v128.load(down1 + i));
        const p2 = f32x4.add(v128.load(up2 + i), v128.load(down2 + i));
        const rest = f32x4.mul(ring3, f32x4.add(v128.load(up3 + i), v128.load(down3 + i)));
        v128.store(to + i, madd(ring0, p0, madd(ring1, p1, madd(ring2, p2, rest))));
        v128.store(to + i + 2 * bytes, madd(ring2, f32x4.add(f32x4.add(p0, p1), p2), rest));
      }
    }
    i = next;
    odd = !odd;
  }
}

// @ts-ignore: decorator
@inline
function epilogue<Affine, Activate>(v: v128, scale: v128, shift: v128, slope: v128): v128 {
  if (is<Affine>()) v = madd(v, scale, shift);
  if (is<Activate>()) v = prelu4(v, slope);
  return v;
}

// @ts-ignore: decorator
@inline
function poolPixels<Affine, Activate>(
  a: PyramidPoolArgs,
  radius: i32,
  sums: usize,
  bytes: usize,
  pixel: usize,
  count: i32,
  y: usize,
): void {
  const scale = a.scale;
  const shift = a.shift;
  const slope = a.slope;
  const yStride = a.yStride;
  const step = (a.stride as usize) * pixel;
  const body = pixel & ~31;
  const none = f32x4.splat(0);
  let at = sums + (radius as usize) * pixel;
  for (let x = 0; x < count; x++) {
    for (let c: usize = 0; c < body; c += 32) {
      const scaleA = is<Affine>() ? v128.load(scale + c) : none;
      const scaleB = is<Affine>() ? v128.load(scale + c, 16) : none;
      const shiftA = is<Affine>() ? v128.load(shift + c) : none;
      const shiftB = is<Affine>() ? v128.load(shift + c, 16) : none;
      const slopeA = is<Activate>() ? v128.load(slope + c) : none;
      const slopeB = is<Activate>() ? v128.load(slope + c, 16) : none;
      // As `along`, of two vectors: with constants in the addresses, which V8 merges.
      const t0 = at + c;
      let low = v128.load(t0);
      let high = v128.load(t0, 16);
      if (radius > 0) {
        const t = t0 + bytes;
        low = f32x4.add(low, f32x4.add(v128.load(t - pixel), v128.load(t + pixel)));
        high = f32x4.add(high, f32x4.add(v128.load(t - pixel, 16), v128.load(t + pixel, 16)));
      }
      if (radius > 1) {
        const t = t0 + 2 * bytes;
        low = f32x4.add(low, f32x4.add(v128.load(t - 2 * pixel), v128.load(t + 2 * pixel)));
        high = f32x4.add(high, f32x4.add(v128.load(t - 2 * pixel, 16), v128.load(t + 2 * pixel, 16)));
      }
      if (radius > 2) {
        const t = t0 + 3 * bytes;
        low = f32x4.add(low, f32x4.add(v128.load(t - 3 * pixel), v128.load(t + 3 * pixel)));
        high = f32x4.add(high, f32x4.add(v128.load(t - 3 * pixel, 16), v128.load(t + 3 * pixel, 16)));
      }
      storeBoth(
        y + c,
        epilogue<Affine, Activate>(low, scaleA, shiftA, slopeA),
        epilogue<Affine, Activate>(high, scaleB, shiftB, slopeB),
      );
    }
    if (body < pixel) {
      const scaleA = is<Affine>() ? v128.load(scale + body) : none;
      const shiftA = is<Affine>() ? v128.load(shift + body) : none;
      const slopeA = is<Activate>() ? v128.load(slope + body) : none;
      v128.store(y + body, epilogue<Affine, Activate>(along(radius, at + body, bytes, pixel), scaleA, shiftA, slopeA));
    }
    at += step;
    y += yStride;
  }
}

// @ts-ignore: decorator
@inline
function poolRow(a: PyramidPoolArgs, radius: i32, sums: usize, bytes: usize, pixel: usize, count: i32, y: usize): void {
  if (a.scale) {
    if (a.slope) poolPixels<Yes, Yes>(a, radius, sums, bytes, pixel, count, y);
    else poolPixels<Yes, No>(a, radius, sums, bytes, pixel, count, y);
  } else {
    if (a.slope) poolPixels<No, Yes>(a, radius, sums, bytes, pixel, count, y);
    else poolPixels<No, No>(a, radius, sums, bytes, pixel, count, y);
  }
}

/** A tile of columns, all channels, that is walked downwards. */
@unmanaged
export class DenseTile {
  image: i32;
  firstRow: i32;
  lastRow: i32;
  /** Of the result, its first column and how many there are. */
  left: i32;
  columns: i32;
  /** Of the image's first row, what of it lies in the tile. */
  x: usize;
  rowBytes: usize;
  /** Bytes of a row of the tile, of what lies left of the image, and of what lies in it. */
  bytes: usize;
  before: usize;
  inside: usize;
  /** 1 where the first column in the image lies at an odd distance from the centre of the first window, else 0. */
  odd: i32;
  /** A row of zeros. */
  zeros: usize;
  /** Weighted sums of a row, for each distance. */
  sums: usize;
}

/** The tile of a chunk, at the start of `local`. */
export function denseTile(a: PyramidPoolArgs, chunk: i32, local: usize): DenseTile {
  const t = changetype<DenseTile>(local);
  const radius = a.radius;
  const stride = a.stride;
  const tiles = (a.yWidth + a.tileColumns - 1) / a.tileColumns;
  const band = chunk / tiles;
  t.image = band / a.bands;
  t.firstRow = (band - t.image * a.bands) * a.bandRows;
  t.lastRow = min(t.firstRow + a.bandRows, a.yHeight);
  t.left = (chunk - band * tiles) * a.tileColumns;
  t.columns = min(a.tileColumns, a.yWidth - t.left);
  const pixel = (a.channels as usize) << 2;
  const left = t.left * stride - radius;
  const width = (t.columns - 1) * stride + 1 + 2 * radius;
  const from = max(left, 0);
  const until = max(from, min(left + width, a.xWidth));
  t.bytes = (width as usize) * pixel;
  t.before = ((from - left) as usize) * pixel;
  t.inside = ((until - from) as usize) * pixel;
  t.odd = (from - left - radius) & 1;
  t.zeros = local + ((offsetof<DenseTile>() + 63) & ~63);
  t.sums = t.zeros + t.bytes;
  memory.fill(t.zeros, 0, t.bytes);
  for (let d = 0; d <= radius; d++) {
    const row = t.sums + (d as usize) * t.bytes;
    memory.fill(row, 0, t.before);
    memory.fill(row + t.before + t.inside, 0, t.bytes - t.before - t.inside);
  }
  t.rowBytes = (a.xWidth as usize) * pixel;
  t.x = a.x + (t.image as usize) * (a.xHeight as usize) * t.rowBytes + (from as usize) * pixel;
  return t;
}

/** A row of the result in a tile. */
export function denseRow(a: PyramidPoolArgs, t: DenseTile, row: i32): void {
  const radius = a.radius;
  const pixel = (a.channels as usize) << 2;
  const height = a.xHeight;
  const center = row * a.stride;
  const middle = rowAt(center, height, t.x, t.rowBytes, t.zeros);
  const up1 = rowAt(center - 1, height, t.x, t.rowBytes, t.zeros);
  const down1 = rowAt(center + 1, height, t.x, t.rowBytes, t.zeros);
  const up2 = rowAt(center - 2, height, t.x, t.rowBytes, t.zeros);
  const down2 = rowAt(center + 2, height, t.x, t.rowBytes, t.zeros);
  const up3 = rowAt(center - 3, height, t.x, t.rowBytes, t.zeros);
  const down3 = rowAt(center + 3, height, t.x, t.rowBytes, t.zeros);
  const to = t.sums + t.before;
  if (radius == 3 && a.stride == 2) {
    // The two rows that no window before has seen.
    fetch(down2, t.inside, to);
    fetch(down3, t.inside, to);
    alternate(a, t.odd != 0, t.inside, pixel, t.bytes, to, middle, up1, down1, up2, down2, up3, down3);
  } else columnsOf(a, t.inside, t.bytes, to, middle, up1, down1, up2, down2, up3, down3);
  const y = a.y + (((t.image * a.yHeight + row) * a.yWidth + t.left) as usize) * a.yStride;
  if (radius == 3) poolRow(a, 3, t.sums, t.bytes, pixel, t.columns, y);
  else if (radius == 2) poolRow(a, 2, t.sums, t.bytes, pixel, t.columns, y);
  else if (radius == 1) poolRow(a, 1, t.sums, t.bytes, pixel, t.columns, y);
  else poolRow(a, 0, t.sums, t.bytes, pixel, t.columns, y);
}

/**
 * `pyramidPool` of whole vectors of channels that follow each other without gaps and without a prologue: no copy of the
 * input. One chunk: a tile.
 */
export function pyramidPoolDense(a: PyramidPoolArgs, chunk: i32, local: usize): void {
  const tile = denseTile(a, chunk, local);
  for (let row = tile.firstRow; row < tile.lastRow; row++) denseRow(a, tile, row);
}
