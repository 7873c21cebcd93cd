/**
 * The transforms of `winograd1dInputs.ts` and `winograd1dOutputs.ts` around 16-bit products. Each block of tiles is scaled by its own largest
 * input (block floating point), so nothing needs to be known about feature maps beforehand.
 */

import { largestLane, madd, prelu4 } from '../lanes';
import { i16CoefficientBytes, i16PlaneBytes, inputRange, paired, rounded, weightRange } from './i16';
import { Input } from './input';
import { Output } from './output';
import { Place, Tiles } from './tiles';
import { clamped, fetchRest } from './winograd1dInputs';

/** No row of `Bᵀ` adds up to more, signs aside: |Bᵀ·x| ≤ 10·max|x|. */
const gain: f32 = 10;

// @ts-ignore: decorator
@inline
function larger(most: v128, at: usize): v128 {
  return f32x4.pmax(most, f32x4.abs(v128.load(at)));
}

/** Stores four rounded channels alone, or as the high halves beside those that lie there. */
// @ts-ignore: decorator
@inline
function storeI16(v: v128, scale: v128, magic: v128, at: usize, high: bool): void {
  const integers = madd(v, scale, magic);
  v128.store(at, high ? paired(v128.load(at), integers) : integers);
}

/** Rounded `scale · Bᵀ·x` of one quad of channels. */
// @ts-ignore: decorator
@inline
function transformI16(
  x0: usize,
  x1: usize,
  x2: usize,
  x3: usize,
  x4: usize,
  x5: usize,
  scale: v128,
  magic: v128,
  four: v128,
  minusFour: v128,
  minusFive: v128,
  to: usize,
  high: bool,
): void {
  const v1 = v128.load(x1);
  const v2 = v128.load(x2);
  const v3 = v128.load(x3);
  const v4 = v128.load(x4);
  storeI16(madd(four, v128.load(x0), madd(minusFive, v2, v4)), scale, magic, to, high);
  storeI16(madd(four, v1, madd(minusFive, v3, v128.load(x5))), scale, magic, to + 5 * i16CoefficientBytes, high);
  const a = madd(minusFour, v2, v4);
  const b = madd(minusFour, v1, v3);
  storeI16(f32x4.add(a, b), scale, magic, to + i16CoefficientBytes, high);
  storeI16(f32x4.sub(a, b), scale, magic, to + 2 * i16CoefficientBytes, high);
  const e = f32x4.sub(v4, v2);
  const f = f32x4.sub(v3, v1);
  const f2 = f32x4.add(f, f);
  storeI16(f32x4.add(e, f2), scale, magic, to + 3 * i16CoefficientBytes, high);
  storeI16(f32x4.sub(e, f2), scale, magic, to + 4 * i16CoefficientBytes, high);
}

/**
 * Integers `q = round(scale · Bᵀ·x)` of a block of tiles, in planes of 8 channels, pairs of channels `c` and `c + 4`;
 * result: 1/scale. `base`: of image 0, line 0.
 */
export function transformI16Inputs(
  input: Input,
  tiles: Tiles,
  places: usize,
  count: i32,
  base: usize,
  zeros: usize,
  dst: usize,
): f32 {
  const length = tiles.vertical ? input.height : input.width;
  const pixel = tiles.vertical ? input.row : input.pixel;
  const line = tiles.vertical ? input.pixel : input.row;
  const d = tiles.dilation;
  const step = pixel * (d as usize);
  const bytes = (input.channels << 2) as usize;
  const wide = input.pixel > bytes + 16;
  let most = f32x4.splat(0);
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places + (i as usize) * offsetof<Place>());
    const at = place.position - tiles.padding;
    const x = base + (place.image as usize) * input.image + (place.line as usize) * line + (at as usize) * pixel;
    const x0 = clamped(at, length, x, zeros);
    const x1 = clamped(at + d, length, x + step, zeros);
    const x2 = clamped(at + 2 * d, length, x + 2 * step, zeros);
    const x3 = clamped(at + 3 * d, length, x + 3 * step, zeros);
    const x4 = clamped(at + 4 * d, length, x + 4 * step, zeros);
    const x5 = clamped(at + 5 * d, length, x + 5 * step, zeros);
    if (wide) fetchRest(x2, x3, x4, x5, bytes, input.pixel, dst);
    for (let c: usize = 0; c < bytes; c += 16) {
      most = larger(larger(larger(most, x0 + c), x1 + c), x2 + c);
      most = larger(larger(larger(most, x3 + c), x4 + c), x5 + c);
    }
  }
  const bound = gain * largestLane(most);
  const range = inputRange(input.channels);
  const scale = f32x4.splat(bound > 0 ? range / bound : 0);
  // From memory, as V8 would make a constant anew, by several instructions, in every turn.
  const one = v128.load(zeros + tiles.ones);
  const two = f32x4.add(one, one);
  const four = f32x4.add(two, two);
  const minusFour = f32x4.neg(four);
  const minusFive = f32x4.sub(minusFour, one);
  const magic = f32x4.mul(one, f32x4.splat(12582912));
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places + (i as usize) * offsetof<Place>());
    const at = place.position - tiles.padding;
    const x = base + (place.image as usize) * input.image + (place.line as usize) * line + (at as usize) * pixel;
    const x0 = clamped(at, length, x, zeros);
    const x1 = clamped(at + d, length, x + step, zeros);
    const x2 = clamped(at + 2 * d, length, x + 2 * step, zeros);
    const x3 = clamped(at + 3 * d, length, x + 3 * step, zeros);
    const x4 = clamped(at + 4 * d, length, x + 4 * step, zeros);
    const x5 = clamped(at + 5 * d, length, x + 5 * step, zeros);
    let to = dst + ((i as usize) << 4);
    for (let c: usize = 0; c < bytes; c += 32) {
      transformI16(x0 + c, x1 + c, x2 + c, x3 + c, x4 + c, x5 + c, scale, magic, four, minusFour, minusFive, to, false);
      if (c + 16 < bytes) {
        const n = c + 16;
        transformI16(
          x0 + n,
          x1 + n,
          x2 + n,
          x3 + n,
          x4 + n,
          x5 + n,
          scale,
          magic,
          four,
          minusFour,
          minusFive,
          to,
          true,
        );
      }
      to += i16PlaneBytes;
    }
  }
  return bound / range;
}

/** Address of the steps of the first coefficient's weights, one per output: behind its weights. */
// @ts-ignore: decorator
@inline
function stepsOf(tiles: Tiles, inputs: i32, outputs: i32): usize {
  return tiles.weights + ((((inputs + 7) >> 3) * ((outputs + 3) >> 2)) << 6);
}

// @ts-ignore: decorator
@inline
function scaled(m: usize, steps: usize): v128 {
  return f32x4.mul(f32x4.convert_i32x4_s(v128.load(m)), v128.load(steps));
}

// @ts-ignore: decorator
@inline
function writeI16Tiles(
  output: Output,
  tiles: Tiles,
  inputs: i32,
  unit: f32,
  places: usize,
  count: i32,
  base: usize,
  residual: usize,
  local: usize,
  m: usize,
  activate: bool,
  add: bool,
  sum: bool,
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
  const steps = stepsOf(tiles, inputs, output.channels);
  const next = tiles.weightBytes;
  const inverse = f32x4.splat(unit);
  const end = (output.channels << 2) as usize;
  const none = f32x4.splat(0);
  const one = v128.load(local + tiles.ones);
  const two = f32x4.add(one, one);
  const four = f32x4.add(two, two);
  const eight = f32x4.add(four, four);
  for (let i = 0; i < count; i++) {
    const place = changetype<Place>(places + (i as usize) * offsetof<Place>());
    const at = place.position;
    const outputs = (tiles.length - at + d - 1) / d;
    if (outputs <= 0) continue;
    const y = base + (place.image as usize) * output.image + (place.line as usize) * line + (at as usize) * pixel;
    const r =
      residual + (place.image as usize) * output.residualImage + (place.line as usize) * rLine + (at as usize) * rPixel;
    let from = m + ((i as usize) << 4);
    for (let c: usize = 0; c < end; c += 16) {
      let w = steps + c;
      const m0 = scaled(from, w);
      w += next;
      const m1 = scaled(from + i16CoefficientBytes, w);
      w += next;
      const m2 = scaled(from + 2 * i16CoefficientBytes, w);
      const s = f32x4.add(m1, m2);
      const t = f32x4.sub(m1, m2);
      w += next;
      const m3 = scaled(from + 3 * i16CoefficientBytes, w);
      w += next;
      const m4 = scaled(from + 4 * i16CoefficientBytes, w);
      const u = f32x4.add(m3, m4);
      const v = f32x4.sub(m3, m4);
      w += next;
      const m5 = scaled(from + 5 * i16CoefficientBytes, w);
      const bias = activate ? v128.load(biases + c) : none;
      const slope = activate ? v128.load(slopes + c) : none;
      const q = r + c;
      const y0 = finish(f32x4.add(f32x4.add(m0, s), u), inverse, q, bias, slope, activate, add, sum);
      const o = y + c;
      v128.store(o, y0);
      if (outputs > 1) {
        v128.store(o + step, finish(madd(two, v, t), inverse, q + rStep, bias, slope, activate, add, sum));
      }
      if (outputs > 2) {
        const y2 = madd(four, u, s);
        v128.store(o + 2 * step, finish(y2, inverse, q + 2 * rStep, bias, slope, activate, add, sum));
      }
      if (outputs > 3) {
        const y3 = madd(eight, v, f32x4.add(t, m5));
        v128.store(o + 3 * step, finish(y3, inverse, q + 3 * rStep, bias, slope, activate, add, sum));
      }
      from += i16PlaneBytes;
    }
  }
}

// @ts-ignore: decorator
@inline
function finish(v: v128, inverse: v128, r: usize, bias: v128, slope: v128, activate: bool, add: bool, sum: bool): v128 {
  v = activate ? madd(v, inverse, bias) : f32x4.mul(v, inverse);
  if (sum) v = f32x4.add(v, v128.load(r));
  if (activate) v = prelu4(v, slope);
  return add && !sum ? f32x4.add(v, v128.load(r)) : v;
}

/** As `transformOutputs`, from 32-bit integers; `unit`: what `transformI16Inputs` gave. */
export function transformI16Outputs(
  output: Output,
  tiles: Tiles,
  inputs: i32,
  unit: f32,
  places: usize,
  count: i32,
  base: usize,
  residual: usize,
  local: usize,
  m: usize,
): void {
  if (output.bias || output.slope) {
    if (output.residual && output.activatesSum) {
      writeI16Tiles(output, tiles, inputs, unit, places, count, base, residual, local, m, true, true, true);
    } else if (output.residual) {
      writeI16Tiles(output, tiles, inputs, unit, places, count, base, residual, local, m, true, true, false);
    } else writeI16Tiles(output, tiles, inputs, unit, places, count, base, residual, local, m, true, false, false);
  } else if (output.residual) {
    writeI16Tiles(output, tiles, inputs, unit, places, count, base, residual, local, m, false, true, false);
  } else writeI16Tiles(output, tiles, inputs, unit, places, count, base, residual, local, m, false, false, false);
}

@unmanaged
class PackWinograd1dI16Args {
  /** The weight of the convolution's first tap; outputs lie side by side. */
  w: usize;
  tapStep: usize;
  inputStep: usize;
  inputs: i32;
  outputs: i32;
  packed: usize;
  coefficientBytes: usize;
}

/**
 * `G·w` of one coefficient `k`, four outputs. The factors as in `convPackWinograd1d`.
 */
// @ts-ignore: decorator
@inline
function transformed(k: i32, w: usize, tap: usize): v128 {
  const w0 = v128.load(w);
  const w1 = v128.load(w + tap);
  const w2 = v128.load(w + 2 * tap);
  if (k == 0) return f32x4.mul(w0, f32x4.splat(0.25));
  if (k == 5) return w2;
  if (k < 3) {
    const even = f32x4.add(w0, w2);
    return f32x4.div(k == 1 ? f32x4.add(even, w1) : f32x4.sub(even, w1), f32x4.splat(-6));
  }
  const even = madd(f32x4.splat(4), w2, w0);
  const odd = f32x4.add(w1, w1);
  return f32x4.div(k == 3 ? f32x4.add(even, odd) : f32x4.sub(even, odd), f32x4.splat(24));
}

// @ts-ignore: decorator
@inline
function packCoefficient(a: PackWinograd1dI16Args, k: i32, first: i32, quads: i32): void {
  const range = weightRange(a.inputs);
  const octs = (a.inputs + 7) >> 3;
  const coefficient = a.packed + (k as usize) * a.coefficientBytes;
  // Blocks of 8 outputs: two inputs of four outputs each, side by side.
  const turn = (quads << 4) as usize;
  const block = coefficient + ((first >> 2) as usize) * ((octs << 6) as usize);
  const steps = coefficient + ((octs * ((a.outputs + 3) >> 2)) << 6);
  for (let quad = 0; quad < quads; quad++) {
    const column = a.w + ((first + 4 * quad) << 2);
    let most = f32x4.splat(0);
    for (let i = 0; i < a.inputs; i++) {
      most = f32x4.pmax(most, f32x4.abs(transformed(k, column + (i as usize) * a.inputStep, a.tapStep)));
    }
    const step = f32x4.mul(most, f32x4.splat(1 / range));
    v128.store(steps + ((first + 4 * quad) << 2), step);
    // All weights 0: 0 · 1.
    const some = f32x4.gt(most, f32x4.splat(0));
    const inverse = f32x4.div(f32x4.splat(1), v128.bitselect(step, f32x4.splat(1), some));
    let dst = block + ((quad << 4) as usize);
    for (let oct = 0; oct < octs; oct++) {
      for (let j = 0; j < 4; j++) {
        const i = 8 * oct + j;
        const low = column + (i as usize) * a.inputStep;
        const high = low + 4 * a.inputStep;
        // Inputs that do not exist meet weights of 0.
        v128.store(
          dst,
          paired(
            i < a.inputs ? rounded(transformed(k, low, a.tapStep), inverse) : i32x4.splat(0),
            i + 4 < a.inputs ? rounded(transformed(k, high, a.tapStep), inverse) : i32x4.splat(0),
          ),
        );
        dst += turn;
      }
    }
  }
}

/** Integers of `G·w`, each coefficient's each output with a step of its own. One chunk: one block of 8 outputs. */
export function convPackWinograd1dI16(a: PackWinograd1dI16Args, chunk: i32, local: usize): void {
  const first = chunk * 8;
  const quads = min(2, (a.outputs - first + 3) >> 2);
  packCoefficient(a, 0, first, quads);
  packCoefficient(a, 1, first, quads);
  packCoefficient(a, 2, first, quads);
  packCoefficient(a, 3, first, quads);
  packCoefficient(a, 4, first, quads);
  packCoefficient(a, 5, first, quads);
}
