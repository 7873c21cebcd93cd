/** Writing a convolution's output: bias, PReLU, residual. */
import { is, No, prelu4, storeBoth, Yes } from '../lanes';
import { planeBytes } from './gemm';

/** A tensor as a convolution writes it; steps in bytes, `channels` of one group. Absent addresses are 0. */
@unmanaged
export class Output {
  y: usize;
  image: usize;
  row: usize;
  pixel: usize;
  channels: i32;
  bias: usize;
  slope: usize;
  residual: usize;
  residualImage: usize;
  residualRow: usize;
  residualPixel: usize;
  /** Whether the PReLU takes the sum with the residual. */
  activatesSum: i32;
}

/** Beside `Yes` and `No`: the residual is added before the PReLU. */
export type Sum = i64;

// @ts-ignore: decorator
@inline
function isSum<Add>(): bool {
  return isSigned<Add>();
}

/** Stores the first `rest` lanes, four at most. */
// @ts-ignore: decorator
@inline
export function storeLanes(y: usize, v: v128, rest: i32): void {
  if (rest >= 4) {
    v128.store(y, v);
    return;
  }
  store<f32>(y, f32x4.extract_lane(v, 0));
  if (rest > 1) store<f32>(y, f32x4.extract_lane(v, 1), 4);
  if (rest > 2) store<f32>(y, f32x4.extract_lane(v, 2), 8);
}

/**
 * Stores the first `rest` of eight lanes, by way of `spare`: taking lanes out of a vector would keep V8 from merging it with the
 * other one.
 */
// @ts-ignore: decorator
@inline
export function storeSome(y: usize, low: v128, high: v128, rest: i32, spare: usize): void {
  storeBoth(spare, low, high);
  const end = spare + ((min(rest, 8) as usize) << 2);
  if (rest >= 4) {
    v128.store(y, v128.load(spare));
    y += 16;
    spare += 16;
  }
  for (; spare < end; spare += 4) {
    store<f32>(y, load<f32>(spare));
    y += 4;
  }
}

/**
 * Eight channels of a pixel: bias, PReLU, residual, or of `Sum` the residual first. Of `Some`, `rest` are stored, by way of
 * `spare`. Everything in pairs, for 256 bits.
 */
// @ts-ignore: decorator
@inline
export function finish<Activate, Add, Some>(
  y: usize,
  low: v128,
  high: v128,
  r: usize,
  bias0: v128,
  bias1: v128,
  slope0: v128,
  slope1: v128,
  rest: i32,
  spare: usize,
): void {
  if (is<Activate>()) {
    low = f32x4.add(low, bias0);
    high = f32x4.add(high, bias1);
    if (isSum<Add>()) {
      low = f32x4.add(low, v128.load(r));
      high = f32x4.add(high, v128.load(r, 16));
    }
    low = prelu4(low, slope0);
    high = prelu4(high, slope1);
  }
  if (is<Add>() && !isSum<Add>()) {
    low = f32x4.add(low, v128.load(r));
    high = f32x4.add(high, v128.load(r, 16));
  }
  if (is<Some>()) storeSome(y, low, high, rest, spare);
  else storeBoth(y, low, high);
}

function write<Activate, Add, Some>(
  m: usize,
  end: usize,
  y: usize,
  yStep: usize,
  r: usize,
  rStep: usize,
  bias: usize,
  slope: usize,
  rest: i32,
): void {
  const bias0 = bias ? v128.load(bias) : f32x4.splat(0);
  const bias1 = bias ? v128.load(bias, 16) : f32x4.splat(0);
  const slope0 = slope ? v128.load(slope) : f32x4.splat(1);
  const slope1 = slope ? v128.load(slope, 16) : f32x4.splat(1);
  while (m < end) {
    finish<Activate, Add, Some>(y, v128.load(m), v128.load(m, 16), r, bias0, bias1, slope0, slope1, rest, m);
    if (is<Add>()) r += rStep;
    m += 32;
    y += yStep;
  }
}

/** Whole eights, pixel by pixel: where pixels lie far apart, lines and pages of memory are written at one time. */
function writeFar<Activate, Add>(
  output: Output,
  m: usize,
  octs: i32,
  count: i32,
  y: usize,
  r: usize,
  bias: usize,
  slope: usize,
): void {
  const bytes = (octs as usize) << 5;
  const zero = f32x4.splat(0);
  const one = f32x4.splat(1);
  for (let i = 0; i < count; i++) {
    let from = m;
    for (let at: usize = 0; at < bytes; at += 32) {
      const bias0 = is<Activate>() && bias ? v128.load(bias + at) : zero;
      const bias1 = is<Activate>() && bias ? v128.load(bias + at, 16) : zero;
      const slope0 = is<Activate>() && slope ? v128.load(slope + at) : one;
      const slope1 = is<Activate>() && slope ? v128.load(slope + at, 16) : one;
      const low = v128.load(from);
      const high = v128.load(from, 16);
      finish<Activate, Add, No>(y + at, low, high, r + at, bias0, bias1, slope0, slope1, 8, from);
      from += planeBytes;
    }
    m += 32;
    y += output.pixel;
    if (is<Add>()) r += output.residualPixel;
  }
}

/** Bytes of an output pixel from which on pixels lie far apart. */
const farBytes: usize = 1024;

/**
 * Writes `octs` times eight channels from `channel` on of `count` pixels from planes `m`. `y`, `r`: the first of these channels of
 * the first pixel, which is channel `first + channel` of the tensor.
 */
export function writePixels(
  output: Output,
  first: i32,
  channel: i32,
  octs: i32,
  m: usize,
  count: i32,
  y: usize,
  r: usize,
): void {
  const bytes = (count as usize) << 5;
  const yStep = output.pixel;
  const rStep = output.residualPixel;
  const activate = output.bias != 0 || output.slope != 0;
  if (yStep >= farBytes && channel + 8 * octs <= output.channels) {
    const at = ((first + channel) as usize) << 2;
    const bias = output.bias ? output.bias + at : 0;
    const slope = output.slope ? output.slope + at : 0;
    if (activate) {
      if (r && output.activatesSum) writeFar<Yes, Sum>(output, m, octs, count, y, r, bias, slope);
      else if (r) writeFar<Yes, Yes>(output, m, octs, count, y, r, bias, slope);
      else writeFar<Yes, No>(output, m, octs, count, y, r, bias, slope);
    } else {
      if (r) writeFar<No, Yes>(output, m, octs, count, y, r, bias, slope);
      else writeFar<No, No>(output, m, octs, count, y, r, bias, slope);
    }
    return;
  }
  for (let c = channel; c < min(output.channels, channel + 8 * octs); c += 8) {
    const rest = output.channels - c;
    const at = ((first + c) as usize) << 2;
    const bias = output.bias ? output.bias + at : 0;
    const slope = output.slope ? output.slope + at : 0;
    const end = m + bytes;
    if (rest < 8) {
      if (r && output.activatesSum) write<Yes, Sum, Yes>(m, end, y, yStep, r, rStep, bias, slope, rest);
      else if (r) write<Yes, Yes, Yes>(m, end, y, yStep, r, rStep, bias, slope, rest);
      else write<Yes, No, Yes>(m, end, y, yStep, r, rStep, bias, slope, rest);
    } else if (activate) {
      if (r && output.activatesSum) write<Yes, Sum, No>(m, end, y, yStep, r, rStep, bias, slope, 8);
      else if (r) write<Yes, Yes, No>(m, end, y, yStep, r, rStep, bias, slope, 8);
      else write<Yes, No, No>(m, end, y, yStep, r, rStep, bias, slope, 8);
    } else {
      if (r) write<No, Yes, No>(m, end, y, yStep, r, rStep, bias, slope, 8);
      else write<No, No, No>(m, end, y, yStep, r, rStep, bias, slope, 8);
    }
    m += planeBytes;
    y += 32;
    if (r) r += 32;
  }
}
