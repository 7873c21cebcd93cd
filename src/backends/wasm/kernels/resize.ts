import { Axes, cellOf, fractionAt, startAt } from './axes';
import { firstFloats } from './bytes';
import { storeLanes } from './conv/output';
import { madd } from './lanes';
import { addRow } from './rows';
import { Floats } from './tables';

@unmanaged
class ResizeArgs {
  coarse: usize;
  coarseStride: usize;
  fine: usize;
  fineStride: usize;
  channels: i32;
  /** Rows per chunk and chunks per image: of the fine image forwards, of the coarse one backwards. */
  bandRows: i32;
  bands: i32;
  axes: Axes;
  /** Of bytes, forwards: the scales and the shifts of four channels, then of the next four. */
  normalize: Floats;
}

/** `lerpRow` of whole vectors, `pixel` bytes to a pixel: what the last lanes hold is not read as a channel. */
function lerpVectors(top: usize, bottom: usize, stride: usize, t: f32, width: i32, to: usize, pixel: usize): void {
  const t4 = f32x4.splat(t);
  for (let i = 0; i < width; i++) {
    for (let c: usize = 0; c < pixel; c += 16) {
      const a = v128.load(top + c);
      v128.store(to + c, madd(t4, f32x4.sub(v128.load(bottom + c), a), a));
    }
    top += stride;
    bottom += stride;
    to += pixel;
  }
}

/** The same of bytes as normalised numbers. */
function lerpBytes(
  top: usize,
  bottom: usize,
  stride: usize,
  t: f32,
  width: i32,
  to: usize,
  pixel: usize,
  normalize: usize,
): void {
  const t4 = f32x4.splat(t);
  for (let i = 0; i < width; i++) {
    for (let c: usize = 0; c < pixel; c += 16) {
      const a = firstFloats(v128.load32_zero(top + (c >> 2)));
      const b = firstFloats(v128.load32_zero(bottom + (c >> 2)));
      const scale = v128.load(normalize + 2 * c);
      const shift = v128.load(normalize + 2 * c, 16);
      v128.store(to + c, madd(madd(t4, f32x4.sub(b, a), a), scale, shift));
    }
    top += stride;
    bottom += stride;
    to += pixel;
  }
}

export function resizeBilinear(a: ResizeArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const channels = a.channels as usize;
  const end = channels << 2;
  const body = end & ~15;
  const rest = a.channels & 3;
  const pixel = ((channels + 3) << 2) & ~15;
  const image = chunk / a.bands;
  const first = (chunk % a.bands) * a.bandRows;
  const last = min(first + a.bandRows, t.fineHeight);
  const rowBytes = (t.coarseWidth as usize) * a.coarseStride;
  const coarse = a.coarse + ((image * t.coarseHeight) as usize) * rowBytes;
  let y = a.fine + (((image * t.fineHeight + first) * t.fineWidth) as usize) * a.fineStride;
  let r = cellOf(t.rowStarts, t.coarseHeight, first);
  for (let i = first; i < last; i++) {
    while (startAt(t.rowStarts, r + 1) <= i) r++;
    const top = coarse + (r as usize) * rowBytes;
    const bottom = r + 1 < t.coarseHeight ? top + rowBytes : top;
    const s = fractionAt(t.rowFractions, i);
    if (a.normalize) lerpBytes(top, bottom, a.coarseStride, s, t.coarseWidth, local, pixel, a.normalize);
    else lerpVectors(top, bottom, a.coarseStride, s, t.coarseWidth, local, pixel);
    for (let q = 0; q < t.coarseWidth; q++) {
      const left = local + (q as usize) * pixel;
      const right = q + 1 < t.coarseWidth ? left + pixel : left;
      for (let x = startAt(t.columnStarts, q), until = startAt(t.columnStarts, q + 1); x < until; x++) {
        const s = fractionAt(t.columnFractions, x);
        const s4 = f32x4.splat(s);
        for (let c: usize = 0; c < body; c += 16) {
          const l = v128.load(left + c);
          v128.store(y + c, madd(s4, f32x4.sub(v128.load(right + c), l), l));
        }
        if (body < end) {
          const l = v128.load(left + body);
          storeLanes(y + body, madd(s4, f32x4.sub(v128.load(right + body), l), l), rest);
        }
        y += a.fineStride;
      }
    }
  }
}

/** Every band sums all fine rows that reach it, so no two chunks write the same row. */
export function resizeBilinearGrad(a: ResizeArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const channels = a.channels as usize;
  const end = channels << 2;
  const body = end & ~15;
  const pixel = ((channels + 3) << 2) & ~15;
  const image = chunk / a.bands;
  const first = (chunk % a.bands) * a.bandRows;
  const last = min(first + a.bandRows, t.coarseHeight);
  const rowBytes = (t.coarseWidth as usize) * a.coarseStride;
  const coarse = a.coarse + ((image * t.coarseHeight) as usize) * rowBytes;
  for (let i: usize = 0, pixels = ((last - first) * t.coarseWidth) as usize; i < pixels; i++) {
    memory.fill(coarse + (first as usize) * rowBytes + i * a.coarseStride, 0, end);
  }
  for (let r = max(first - 1, 0); r < last; r++) {
    for (let i = startAt(t.rowStarts, r), until = startAt(t.rowStarts, r + 1); i < until; i++) {
      memory.fill(local, 0, (t.coarseWidth as usize) * pixel);
      let gy = a.fine + (((image * t.fineHeight + i) * t.fineWidth) as usize) * a.fineStride;
      for (let q = 0; q < t.coarseWidth; q++) {
        const left = local + (q as usize) * pixel;
        const right = q + 1 < t.coarseWidth ? left + pixel : left;
        for (let x = startAt(t.columnStarts, q), stop = startAt(t.columnStarts, q + 1); x < stop; x++) {
          const s = fractionAt(t.columnFractions, x);
          const s4 = f32x4.splat(s);
          const rest4 = f32x4.splat(1 - s);
          for (let c: usize = 0; c < body; c += 16) {
            const g = v128.load(gy + c);
            v128.store(left + c, madd(rest4, g, v128.load(left + c)));
            v128.store(right + c, madd(s4, g, v128.load(right + c)));
          }
          for (let c: usize = body; c < end; c += 4) {
            const g = load<f32>(gy + c);
            store<f32>(left + c, load<f32>(left + c) + (1 - s) * g);
            store<f32>(right + c, load<f32>(right + c) + s * g);
          }
          gy += a.fineStride;
        }
      }
      const s = fractionAt(t.rowFractions, i);
      const below = min(r + 1, t.coarseHeight - 1);
      if (r >= first)
        addRow(local, pixel, 1 - s, t.coarseWidth, channels, coarse + (r as usize) * rowBytes, a.coarseStride);
      if (below < last)
        addRow(local, pixel, s, t.coarseWidth, channels, coarse + (below as usize) * rowBytes, a.coarseStride);
    }
  }
}
