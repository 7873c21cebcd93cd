/** Reading a convolution's input: prologue, normalisation and zero padding, packed into planes. */
import { firstFloats } from '../bytes';
import { is, madd, No, prelu4, storeBoth, Yes } from '../lanes';
import { Floats, Ints } from '../tables';

/** A tensor as a convolution reads it; steps in bytes, `channels` of one group. */
@unmanaged
export class Input {
  x: usize;
  image: usize;
  row: usize;
  pixel: usize;
  height: i32;
  width: i32;
  channels: i32;
  /** For u8: `[scale…, shift…]` of all `2·normalized` channels; else empty. */
  normalize: Floats;
  normalized: i32;
  scale: usize;
  shift: usize;
  slope: usize;
}

/** Ones in the lanes of the channels that exist, `rest` of them left. */
// @ts-ignore: decorator
@inline
export function laneMask(rest: i32): v128 {
  return i32x4.gt_s(i32x4.splat(rest), i32x4(0, 1, 2, 3));
}

// @ts-ignore: decorator
@inline
function pack(
  src: usize,
  step: usize,
  dst: usize,
  end: usize,
  bytes: bool,
  nScale: v128,
  nShift: v128,
  prologue: bool,
  scale: v128,
  shift: v128,
  slope: v128,
  mask: v128,
): void {
  while (dst < end) {
    let v: v128;
    if (bytes) {
      v = firstFloats(v128.load32_zero(src));
      v = madd(v, nScale, nShift);
    } else {
      v = v128.load(src);
    }
    if (prologue) v = prelu4(madd(v, scale, shift), slope);
    // Lanes past the last channel may hold anything, NaN too: cleared bit by bit.
    v128.store(dst, v128.and(v, mask));
    src += step;
    dst += 32;
  }
}

/** Four channels after the prologue. */
// @ts-ignore: decorator
@inline
export function prologue<Affine, Activate>(v: v128, scale: v128, shift: v128, slope: v128): v128 {
  if (is<Affine>()) v = madd(v, scale, shift);
  if (is<Activate>()) v = prelu4(v, slope);
  return v;
}

/** Eight channels of `count` pixels after the prologue, in pairs for 256 bits. */
function packEight<Affine, Activate>(
  src: usize,
  step: usize,
  dst: usize,
  count: i32,
  scale: usize,
  shift: usize,
  slope: usize,
): void {
  const none = f32x4.splat(0);
  const scaleA = is<Affine>() ? v128.load(scale) : none;
  const scaleB = is<Affine>() ? v128.load(scale, 16) : none;
  const shiftA = is<Affine>() ? v128.load(shift) : none;
  const shiftB = is<Affine>() ? v128.load(shift, 16) : none;
  const slopeA = is<Activate>() ? v128.load(slope) : none;
  const slopeB = is<Activate>() ? v128.load(slope, 16) : none;
  for (const end = dst + ((count as usize) << 5); dst < end; dst += 32) {
    const a = prologue<Affine, Activate>(v128.load(src), scaleA, shiftA, slopeA);
    const b = prologue<Affine, Activate>(v128.load(src, 16), scaleB, shiftB, slopeB);
    storeBoth(dst, a, b);
    src += step;
  }
}

/**
 * Packs `count` pixels, `step` bytes apart, into planes `plane` bytes apart: 8 channels each, the last quad of them
 * filled up with zeros. `src`: the first pixel's first channel, which is channel `first` of the tensor.
 */
export function packPixels(
  input: Input,
  first: i32,
  src: usize,
  step: usize,
  count: i32,
  dst: usize,
  plane: usize,
): void {
  const bytes = input.normalize != 0;
  const prologue = input.scale != 0 || input.slope != 0;
  const simple = !bytes && !prologue;
  let c = 0;
  if (simple) {
    // Pixel by pixel: memory is read in its order.
    const body = ((input.channels & ~7) << 2) as usize;
    let pixel = src;
    for (let i = 0; i < count; i++) {
      let to = dst + ((i as usize) << 5);
      for (let at: usize = 0; at < body; at += 32) {
        const low = v128.load(pixel + at);
        const high = v128.load(pixel + at, 16);
        storeBoth(to, low, high);
        to += plane;
      }
      pixel += step;
    }
    c = input.channels & ~7;
    src += body;
    dst += plane * ((c >> 3) as usize);
  }
  if (!bytes && prologue) {
    for (; c + 8 <= input.channels; c += 8) {
      const at = ((first + c) as usize) << 2;
      const scale = input.scale + at;
      const shift = input.shift + at;
      const slope = input.slope + at;
      if (!input.scale) packEight<No, Yes>(src, step, dst, count, 0, 0, slope);
      else if (input.slope) packEight<Yes, Yes>(src, step, dst, count, scale, shift, slope);
      else packEight<Yes, No>(src, step, dst, count, scale, shift, 0);
      src += 32;
      dst += plane;
    }
  }
  const one = f32x4.splat(1);
  const zero = f32x4.splat(0);
  for (; c < input.channels; c += 4) {
    const to = dst + ((c & 4) << 2);
    const end = to + ((count as usize) << 5);
    const at = ((first + c) as usize) << 2;
    const mask = laneMask(input.channels - c);
    const scale = input.scale ? v128.load(input.scale + at) : one;
    const shift = input.scale ? v128.load(input.shift + at) : zero;
    const slope = input.slope ? v128.load(input.slope + at) : one;
    if (bytes) {
      const table = input.normalize + at;
      // What follows the table are integers: as floats they are denormal, with which some processors take 100 cycles a product.
      const nScale = v128.and(v128.load(table), mask);
      const nShift = v128.and(v128.load(table + ((input.normalized as usize) << 2)), mask);
      if (prologue) pack(src, step, to, end, true, nScale, nShift, true, scale, shift, slope, mask);
      else pack(src, step, to, end, true, nScale, nShift, false, scale, shift, slope, mask);
      src += 4;
    } else {
      pack(src, step, to, end, false, one, zero, prologue, scale, shift, slope, mask);
      src += 16;
    }
    if (c & 4) dst += plane;
  }
}

/** Zeros in `count` pixels of all planes of one group. */
export function packZeros(input: Input, count: i32, dst: usize, plane: usize): void {
  if (count <= 0) return;
  for (let c = 0; c < input.channels; c += 8) {
    memory.fill(dst, 0, (count as usize) << 5);
    dst += plane;
  }
}

/** Where the taps of a window read: slots of input pixels, each shared by the taps whose pixels overlap. */
@unmanaged
export class Window {
  strideY: i32;
  strideX: i32;
  slots: i32;
  /** `[dy, dx, extra]` per slot. */
  slotTable: Ints;
  /** Bytes from plane to plane in a slot. */
  plane: usize;
}

/** Packs what `count` outputs from `(oy, ox)` of image `n` read: for each slot, `count + extra` pixels. */
export function packWindow(
  input: Input,
  window: Window,
  group: i32,
  n: i32,
  oy: i32,
  ox: i32,
  count: i32,
  dst: usize,
): void {
  const octs = ((input.channels + 7) >> 3) as usize;
  const plane = window.plane;
  const stride = window.strideX;
  const step = input.pixel * (stride as usize);
  const first = group * input.channels;
  const image = input.x + (n as usize) * input.image + ((first as usize) << (input.normalize ? 0 : 2));
  let slot = window.slotTable;
  for (let s = 0; s < window.slots; s++) {
    const iy = oy * window.strideY + load<i32>(slot);
    const ix = ox * stride + load<i32>(slot, 4);
    const total = count + load<i32>(slot, 8);
    if (iy < 0 || iy >= input.height || ix >= input.width) {
      packZeros(input, total, dst, plane);
    } else {
      const from = min(total, ix < 0 ? (stride - 1 - ix) / stride : 0);
      const to = max(from, min(total, (input.width - ix + stride - 1) / stride));
      packZeros(input, from, dst, plane);
      const src = image + (iy as usize) * input.row + ((ix + from * stride) as usize) * input.pixel;
      packPixels(input, first, src, step, to - from, dst + ((from as usize) << 5), plane);
      packZeros(input, total - to, dst + ((to as usize) << 5), plane);
    }
    slot += 12;
    dst += octs * plane;
  }
}
