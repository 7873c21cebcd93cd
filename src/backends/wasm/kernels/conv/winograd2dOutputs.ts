/** The output side of `winograd2d.ts`: back along the rows, then up the columns, with the epilogue. */

import { is, madd, No, storeBoth, Yes } from '../lanes';
import { planeBytes } from './gemm';
import { finish, Output } from './output';
import { lineBytes, linesBytes, tileBytes, Winograd2dArgs } from './winograd2dArgs';

/** `m0 + c + 2a`, the first row of `Aᵀ`. */
// @ts-ignore: decorator
@inline
function firstOf(two: v128, m0: v128, a: v128, c: v128): v128 {
  return madd(two, a, f32x4.add(m0, c));
}

/** The last row of `Aᵀ`. */
// @ts-ignore: decorator
@inline
function lastOf(half: v128, four: v128, m5: v128, b: v128, e: v128): v128 {
  return madd(half, madd(four, e, b), m5);
}

/** `Aᵀ·m` along the rows: four pixels for each tile. */
export function returnRows(m: usize, octs: i32, count: i32, constants: usize, to: usize): void {
  const half = v128.load32_splat(constants, 8);
  const whole = v128.load32_splat(constants, 16);
  const two = v128.load32_splat(constants, 20);
  const four = v128.load32_splat(constants, 24);
  for (let o = 0; o < octs; o++) {
    const end = m + ((count as usize) << 5);
    let dst = to;
    for (let from = m; from < end; from += 32) {
      const p0 = v128.load(from);
      const q0 = v128.load(from, 16);
      const p1 = v128.load(from, tileBytes);
      const q1 = v128.load(from, tileBytes + 16);
      const p2 = v128.load(from, 2 * tileBytes);
      const q2 = v128.load(from, 2 * tileBytes + 16);
      const p3 = v128.load(from, 3 * tileBytes);
      const q3 = v128.load(from, 3 * tileBytes + 16);
      const p4 = v128.load(from, 4 * tileBytes);
      const q4 = v128.load(from, 4 * tileBytes + 16);
      const p5 = v128.load(from, 5 * tileBytes);
      const q5 = v128.load(from, 5 * tileBytes + 16);
      const pa = f32x4.add(p1, p2);
      const qa = f32x4.add(q1, q2);
      const pb = f32x4.sub(p1, p2);
      const qb = f32x4.sub(q1, q2);
      const pc = f32x4.add(p3, p4);
      const qc = f32x4.add(q3, q4);
      const pe = f32x4.sub(p3, p4);
      const qe = f32x4.sub(q3, q4);
      storeBoth(dst, firstOf(two, p0, pa, pc), firstOf(two, q0, qa, qc));
      storeBoth(dst + 32, f32x4.mul(whole, f32x4.add(pb, pe)), f32x4.mul(whole, f32x4.add(qb, qe)));
      storeBoth(dst + 64, madd(two, pc, pa), madd(two, qc, qa));
      storeBoth(dst + 96, lastOf(half, four, p5, pb, pe), lastOf(half, four, q5, qb, qe));
      dst += 128;
    }
    m += planeBytes;
    to += linesBytes;
  }
}

/** `Aᵀ·q` up the columns of eight channels, and the epilogue. `y…`, `r…`: four rows. */
function returnColumns<Activate, Add, Some>(
  q: usize,
  count: i32,
  y0: usize,
  y1: usize,
  y2: usize,
  y3: usize,
  pixel: usize,
  r0: usize,
  r1: usize,
  r2: usize,
  r3: usize,
  rPixel: usize,
  bias: usize,
  slope: usize,
  rest: i32,
  constants: usize,
): void {
  const none = f32x4.splat(0);
  const biasA = is<Activate>() ? v128.load(bias) : none;
  const biasB = is<Activate>() ? v128.load(bias, 16) : none;
  const slopeA = is<Activate>() ? v128.load(slope) : none;
  const slopeB = is<Activate>() ? v128.load(slope, 16) : none;
  const half = v128.load32_splat(constants, 8);
  const whole = v128.load32_splat(constants, 16);
  const two = v128.load32_splat(constants, 20);
  const four = v128.load32_splat(constants, 24);
  const end = q + ((count as usize) << 5);
  while (q < end) {
    const p0 = v128.load(q);
    const q0 = v128.load(q, 16);
    const p1 = v128.load(q, lineBytes);
    const q1 = v128.load(q, lineBytes + 16);
    const p2 = v128.load(q, 2 * lineBytes);
    const q2 = v128.load(q, 2 * lineBytes + 16);
    const p3 = v128.load(q, 3 * lineBytes);
    const q3 = v128.load(q, 3 * lineBytes + 16);
    const p4 = v128.load(q, 4 * lineBytes);
    const q4 = v128.load(q, 4 * lineBytes + 16);
    const p5 = v128.load(q, 5 * lineBytes);
    const q5 = v128.load(q, 5 * lineBytes + 16);
    const pa = f32x4.add(p1, p2);
    const qa = f32x4.add(q1, q2);
    const pb = f32x4.sub(p1, p2);
    const qb = f32x4.sub(q1, q2);
    const pc = f32x4.add(p3, p4);
    const qc = f32x4.add(q3, q4);
    const pe = f32x4.sub(p3, p4);
    const qe = f32x4.sub(q3, q4);
    finish<Activate, Add, Some>(
      y0,
      firstOf(two, p0, pa, pc),
      firstOf(two, q0, qa, qc),
      r0,
      biasA,
      biasB,
      slopeA,
      slopeB,
      rest,
      q,
    );
    const low = f32x4.mul(whole, f32x4.add(pb, pe));
    const high = f32x4.mul(whole, f32x4.add(qb, qe));
    finish<Activate, Add, Some>(y1, low, high, r1, biasA, biasB, slopeA, slopeB, rest, q);
    finish<Activate, Add, Some>(y2, madd(two, pc, pa), madd(two, qc, qa), r2, biasA, biasB, slopeA, slopeB, rest, q);
    finish<Activate, Add, Some>(
      y3,
      lastOf(half, four, p5, pb, pe),
      lastOf(half, four, q5, qb, qe),
      r3,
      biasA,
      biasB,
      slopeA,
      slopeB,
      rest,
      q,
    );
    q += 32;
    y0 += pixel;
    y1 += pixel;
    y2 += pixel;
    y3 += pixel;
    if (is<Add>()) {
      r0 += rPixel;
      r1 += rPixel;
      r2 += rPixel;
      r3 += rPixel;
    }
  }
}

/**
 * Pixels whose channels are all written before the next ones: eight channels are half a line of the cache, and the line would be gone
 * when the other half comes.
 */
const blockPixels: i32 = 4;

/**
 * Outputs from `(4·row, 4·first)` of the image that lies at `image`, `octs` times eight channels from `channel` on; rows below it
 * go to `spare`.
 */
export function writeStrip<Activate, Add>(
  output: Output,
  a: Winograd2dArgs,
  image: usize,
  residual: usize,
  row: i32,
  first: i32,
  tiles: i32,
  channel: i32,
  octs: i32,
  q: usize,
  local: usize,
): void {
  const count = min(4 * tiles, a.width - 4 * first);
  const rows = a.height - 4 * row;
  const spare = local + a.spare;
  const biases = output.bias ? output.bias : local;
  const slopes = output.slope ? output.slope : local + a.ones;
  const y = image + ((4 * row) as usize) * output.row + ((4 * first) as usize) * output.pixel;
  const r = residual + ((4 * row) as usize) * output.residualRow + ((4 * first) as usize) * output.residualPixel;
  const k = local + 2 * a.ones;
  const end = min(output.channels, channel + 8 * octs);
  const step = output.pixel;
  const rStep = output.residualPixel;
  const block = octs > 1 ? blockPixels : count;
  for (let px = 0; px < count; px += block) {
    const n = min(block, count - px);
    const yAt = y + (px as usize) * step;
    const rAt = r + (px as usize) * rStep;
    let from = q + ((px as usize) << 5);
    for (let c = channel; c < end; c += 8) {
      const at = (c as usize) << 2;
      const bias = biases + at;
      const slope = slopes + at;
      const y0 = yAt + at;
      const y1 = rows > 1 ? y0 + output.row : spare;
      const y2 = rows > 2 ? y0 + 2 * output.row : spare;
      const y3 = rows > 3 ? y0 + 3 * output.row : spare;
      const r0 = rAt + at;
      const r1 = rows > 1 ? r0 + output.residualRow : r0;
      const r2 = rows > 2 ? r0 + 2 * output.residualRow : r0;
      const r3 = rows > 3 ? r0 + 3 * output.residualRow : r0;
      const rest = output.channels - c;
      if (rest >= 8) {
        returnColumns<Activate, Add, No>(from, n, y0, y1, y2, y3, step, r0, r1, r2, r3, rStep, bias, slope, 8, k);
      } else {
        returnColumns<Activate, Add, Yes>(from, n, y0, y1, y2, y3, step, r0, r1, r2, r3, rStep, bias, slope, rest, k);
      }
      from += linesBytes;
    }
  }
}
