/**
 * The transform `Aᵀ·m`, and the epilogue, of one-dimensional Winograd convolutions.
 *
 * What did not work: docs/performance.md#what-did-not-work.
 */

import { is, madd, No, Yes } from '../lanes';
import { coefficientBytes, planeBytes } from './gemm';
import { finish, Output, Sum } from './output';
import { Place, Tiles } from './tiles';

/** The sum of four products and one, as `Aᵀ` has it: `m0 + a + c`. */
// @ts-ignore: decorator
@inline
function sum3(m0: v128, a: v128, c: v128): v128 {
  return f32x4.add(f32x4.add(m0, a), c);
}

/** `Aᵀ·m` of eight channels, then the epilogue; outputs go `step` bytes apart. What was at `m` may be overwritten. */
// @ts-ignore: decorator
@inline
function transformOutput<Activate, Add, Some>(
  m: usize,
  y: usize,
  step: usize,
  r: usize,
  rStep: usize,
  bias: usize,
  slope: usize,
  outputs: i32,
  rest: i32,
  two: v128,
  four: v128,
  eight: v128,
): void {
  const p0 = v128.load(m);
  const q0 = v128.load(m, 16);
  const p1 = v128.load(m, coefficientBytes);
  const q1 = v128.load(m, coefficientBytes + 16);
  const p2 = v128.load(m, 2 * coefficientBytes);
  const q2 = v128.load(m, 2 * coefficientBytes + 16);
  const p3 = v128.load(m, 3 * coefficientBytes);
  const q3 = v128.load(m, 3 * coefficientBytes + 16);
  const p4 = v128.load(m, 4 * coefficientBytes);
  const q4 = v128.load(m, 4 * coefficientBytes + 16);
  const p5 = v128.load(m, 5 * coefficientBytes);
  const q5 = v128.load(m, 5 * coefficientBytes + 16);
  const pa = f32x4.add(p1, p2);
  const qa = f32x4.add(q1, q2);
  const pb = f32x4.sub(p1, p2);
  const qb = f32x4.sub(q1, q2);
  const pc = f32x4.add(p3, p4);
  const qc = f32x4.add(q3, q4);
  const pe = f32x4.sub(p3, p4);
  const qe = f32x4.sub(q3, q4);
  const none = f32x4.splat(0);
  const biasA = is<Activate>() ? v128.load(bias) : none;
  const biasB = is<Activate>() ? v128.load(bias, 16) : none;
  const slopeA = is<Activate>() ? v128.load(slope) : none;
  const slopeB = is<Activate>() ? v128.load(slope, 16) : none;
  finish<Activate, Add, Some>(y, sum3(p0, pa, pc), sum3(q0, qa, qc), r, biasA, biasB, slopeA, slopeB, rest, m);
  if (is<Some>() && outputs < 2) return;
  y += step;
  r += rStep;
  finish<Activate, Add, Some>(y, madd(two, pe, pb), madd(two, qe, qb), r, biasA, biasB, slopeA, slopeB, rest, m);
  if (is<Some>() && outputs < 3) return;
  y += step;
  r += rStep;
  finish<Activate, Add, Some>(y, madd(four, pc, pa), madd(four, qc, qa), r, biasA, biasB, slopeA, slopeB, rest, m);
  if (is<Some>() && outputs < 4) return;
  y += step;
  r += rStep;
  const p = madd(eight, pe, f32x4.add(pb, p5));
  finish<Activate, Add, Some>(y, p, madd(eight, qe, f32x4.add(qb, q5)), r, biasA, biasB, slopeA, slopeB, rest, m);
}

function writeTiles<Activate, Add>(
  output: Output,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  residual: usize,
  local: usize,
  m: usize,
): void {
  const pixel = tiles.vertical ? output.row : output.pixel;
  const line = tiles.vertical ? output.pixel : output.row;
  const rPixel = tiles.vertical ? output.residualRow : output.residualPixel;
  const rLine = tiles.vertical ? output.residualPixel : output.residualRow;
  const d = tiles.dilation;
  const step = pixel * (d as usize);
  const rStep = rPixel * (d as usize);
  const biases = output.bias ? output.bias : local;
  const slopes = output.slope ? output.slope : local + tiles.ones;
  const channels = output.channels;
  // From memory, as V8 would make a constant anew, by several instructions, in every turn.
  const one = v128.load(local + tiles.ones);
  const two = f32x4.add(one, one);
  const four = f32x4.add(two, two);
  const eight = f32x4.add(four, four);
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places);
    places += offsetof<Place>();
    const at = place.position;
    const outputs = (tiles.length - at + d - 1) / d;
    if (outputs <= 0) continue;
    let y = base + (place.image as usize) * output.image + (place.line as usize) * line + (at as usize) * pixel;
    let r =
      residual + (place.image as usize) * output.residualImage + (place.line as usize) * rLine + (at as usize) * rPixel;
    let from = m + ((i as usize) << 5);
    let bias = biases;
    let slope = slopes;
    let c = 0;
    if (outputs >= 4) {
      for (; c + 8 <= channels; c += 8) {
        transformOutput<Activate, Add, No>(from, y, step, r, rStep, bias, slope, 4, 8, two, four, eight);
        from += planeBytes;
        y += 32;
        r += 32;
        bias += 32;
        slope += 32;
      }
    }
    for (; c < channels; c += 8) {
      transformOutput<Activate, Add, Yes>(
        from,
        y,
        step,
        r,
        rStep,
        bias,
        slope,
        outputs,
        channels - c,
        two,
        four,
        eight,
      );
      from += planeBytes;
      y += 32;
      r += 32;
      bias += 32;
      slope += 32;
    }
  }
}

/** Outputs of a block of tiles, after the epilogue. `base`, `residual`: of image 0, line 0. */
export function transformOutputs(
  output: Output,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  residual: usize,
  local: usize,
  m: usize,
): void {
  if (output.bias || output.slope) {
    if (output.residual && output.activatesSum) {
      writeTiles<Yes, Sum>(output, tiles, places, count, base, residual, local, m);
    } else if (output.residual) writeTiles<Yes, Yes>(output, tiles, places, count, base, residual, local, m);
    else writeTiles<Yes, No>(output, tiles, places, count, base, residual, local, m);
  } else {
    if (output.residual) writeTiles<No, Yes>(output, tiles, places, count, base, residual, local, m);
    else writeTiles<No, No>(output, tiles, places, count, base, residual, local, m);
  }
}
