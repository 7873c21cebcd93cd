import { Axes, fractionAt, startAt } from './axes';
import { exp4, log4 } from './explog';
import { EightPixels, exponentials, laneSums } from './exponentials';
import { madd, storeBoth } from './lanes';
import { copyRow, joinSums, LossBands, scaleBands } from './lossBands';
import { binOf, labelOf, restOf } from './region';
import { addRow, lerpRow } from './rows';

@unmanaged
class SoftmaxLossArgs {
  logits: usize;
  logitsStride: usize;
  labels: usize;
  labelsStride: usize;
  ignore: i32;
  /** `∂loss/∂p` by class and bin (`kernels/region.ts`); 0: focal loss. */
  table: usize;
  bins: i32;
  /** Of focal loss; 0: all ones. */
  classWeights: usize;
  gamma: f32;
  radius: i32;
  boundary: f32;
  out: LossBands;
  axes: Axes;
}

/** Whether another class is labelled in the square around a pixel. */
function isBoundary(a: SoftmaxLossArgs, image: i32, y: i32, x: i32, label: i32): bool {
  const t = a.axes;
  const top = max(0, y - a.radius);
  const bottom = min(t.fineHeight - 1, y + a.radius);
  const first = max(0, x - a.radius);
  const last = min(t.fineWidth - 1, x + a.radius);
  for (let i = top; i <= bottom; i++) {
    let at = a.labels + (((image * t.fineHeight + i) * t.fineWidth + first) as usize) * a.labelsStride;
    for (let k = first; k <= last; k++) {
      const other = labelOf(at, a.ignore, a.out.classes);
      if (other >= 0 && other != label) return true;
      at += a.labelsStride;
    }
  }
  return false;
}

/** `x^y` of x ≥ 1 and y ≤ 0. */
// @ts-ignore: decorator
@inline
function powerOf(x: f32, y: f32): f32 {
  return f32x4.extract_lane(exp4(f32x4.mul(f32x4.splat(y), log4(f32x4.splat(x)))), 0);
}

/** `p·∂loss/∂p` of one pixel, by class at `u`; `e`: its exponentials. Both have 32 bytes from class to class. */
// @ts-ignore: decorator
@inline
function regionPixel(a: SoftmaxLossArgs, label: i32, e: usize, u: usize): void {
  const classes = a.out.classes;
  const rest = restOf(e, classes, label);
  const inverse: f32 = 1 / (rest + load<f32>(e + ((label as usize) << 5)));
  for (let c = 0; c < classes; c++) {
    const at = (c as usize) << 5;
    const own = load<f32>(e + at) * inverse;
    const mine = c == label;
    const bin = binOf(mine ? rest * inverse : own, a.bins);
    const weight = a.table + (((c * a.bins + bin) as usize) << 3);
    store<f32>(u + at, own * load<f32>(mine ? weight : weight + 4));
  }
}

/** The same of focal loss, where only the pixel's class has one; loss and weight are added to two float64 at `sums`. */
// @ts-ignore: decorator
@inline
function focalPixel(
  a: SoftmaxLossArgs,
  label: i32,
  weight: f32,
  logSum: f32,
  logit: f32,
  e: usize,
  u: usize,
  sums: usize,
): void {
  const rest = restOf(e, a.out.classes, label);
  const own = load<f32>(e + ((label as usize) << 5));
  const p = own / (rest + own);
  const q = rest / (rest + own);
  const logP: f32 = logit - logSum;
  // (1 − p)^(γ − 1), then times 1 − p.
  let below: f32 = 1;
  let power: f32 = 1;
  if (a.gamma == 2) {
    below = q;
    power = q * q;
  } else if (a.gamma != 0) {
    // By the logarithm of 1/q, as `log4` takes numbers from one.
    power = q > 0 ? powerOf(1 / q, -a.gamma) : 0;
    below = q > 0 ? power / q : 0;
  }
  const easy = a.gamma * p * below * logP;
  store<f32>(u + ((label as usize) << 5), weight * (easy - power));
  store<f64>(sums, load<f64>(sums) - (weight as f64) * (power as f64) * (logP as f64));
  store<f64>(sums, load<f64>(sums, 8) + (weight as f64), 8);
}

/** `∂loss/∂z[c] = u[c] − p[c]·Σu` of eight pixels, sent to the coarse columns left and right of them. */
function sendEight(
  classes: i32,
  local: EightPixels,
  fractions: usize,
  e: usize,
  u: usize,
  gradLeft: usize,
  gradRight: usize,
): void {
  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  let total0 = f32x4.splat(0);
  let total1 = total0;
  for (let c: usize = 0, end = (classes as usize) << 5; c < end; c += 32) {
    total0 = f32x4.add(total0, v128.load(u + c));
    total1 = f32x4.add(total1, v128.load(u + c, 16));
  }
  const share0 = f32x4.neg(f32x4.div(total0, local.sums0));
  const share1 = f32x4.neg(f32x4.div(total1, local.sums1));
  for (let c: usize = 0, end = (classes as usize) << 2; c < end; c += 16) {
    const from = e + (c << 3);
    const own = u + (c << 3);
    const a0 = madd(share0, v128.load(from), v128.load(own));
    const a1 = madd(share1, v128.load(from, 16), v128.load(own, 16));
    const b0 = madd(share0, v128.load(from, 32), v128.load(own, 32));
    const b1 = madd(share1, v128.load(from, 48), v128.load(own, 48));
    const c0 = madd(share0, v128.load(from, 64), v128.load(own, 64));
    const c1 = madd(share1, v128.load(from, 80), v128.load(own, 80));
    const d0 = madd(share0, v128.load(from, 96), v128.load(own, 96));
    const d1 = madd(share1, v128.load(from, 112), v128.load(own, 112));
    const sum = laneSums(f32x4.add(a0, a1), f32x4.add(b0, b1), f32x4.add(c0, c1), f32x4.add(d0, d1));
    const right = laneSums(
      madd(a1, t1, f32x4.mul(a0, t0)),
      madd(b1, t1, f32x4.mul(b0, t0)),
      madd(c1, t1, f32x4.mul(c0, t0)),
      madd(d1, t1, f32x4.mul(d0, t0)),
    );
    v128.store(gradLeft + c, f32x4.add(v128.load(gradLeft + c), f32x4.sub(sum, right)));
    v128.store(gradRight + c, f32x4.add(v128.load(gradRight + c), right));
  }
}

/** A band of coarse rows with the fine rows of its cells; gradients are not yet multiplied by `inverse`. */
export function softmaxLoss(a: SoftmaxLossArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const out = a.out;
  const classes = out.classes;
  const width = t.coarseWidth;
  const padded = ((classes as usize) + 3) & ~3;
  const pixel = padded << 2;
  const row = (width as usize) * pixel;
  const image = chunk / out.bands;
  const first = (chunk % out.bands) * out.bandRows;
  const last = min(first + out.bandRows, t.coarseHeight);
  const state = changetype<EightPixels>(local);
  const e = local + offsetof<EightPixels>();
  const u = e + (padded << 5);
  const values = u + (padded << 5);
  const gradients = values + row;
  let upper = gradients + row;
  let lower = upper + row;
  // Classes up to whole vectors stay zero.
  memory.fill(local, 0, offsetof<EightPixels>() + (padded << 6));
  memory.fill(upper, 0, row);
  const sums = local + offsetof<EightPixels>('lossSum');
  const logSums = local + offsetof<EightPixels>('labelLogits0');
  for (let r = first; r < last; r++) {
    memory.fill(lower, 0, row);
    const hasBelow = r + 1 < t.coarseHeight;
    const top = a.logits + (((image * t.coarseHeight + r) * width) as usize) * a.logitsStride;
    const bottom = hasBelow ? top + (width as usize) * a.logitsStride : top;
    for (let i = startAt(t.rowStarts, r), until = startAt(t.rowStarts, r + 1); i < until; i++) {
      const v = fractionAt(t.rowFractions, i);
      lerpRow(top, bottom, a.logitsStride, v, width, classes as usize, values, pixel);
      memory.fill(gradients, 0, row);
      const labels = a.labels + (((image * t.fineHeight + i) * t.fineWidth) as usize) * a.labelsStride;
      for (let q = 0; q < width; q++) {
        const left = (q as usize) * pixel;
        const right = q + 1 < width ? left + pixel : left;
        const stop = startAt(t.columnStarts, q + 1);
        for (let x = startAt(t.columnStarts, q); x < stop; x += 8) {
          const fractions = t.columnFractions + ((x as usize) << 2);
          exponentials(classes as usize, values + left, values + right, fractions, state, e);
          if (!a.table) {
            storeBoth(
              logSums,
              f32x4.add(state.offsets0, log4(state.sums0)),
              f32x4.add(state.offsets1, log4(state.sums1)),
            );
          }
          memory.fill(u, 0, (classes as usize) << 5);
          for (let j = 0, count = min(8, stop - x); j < count; j++) {
            const label = labelOf(labels + ((x + j) as usize) * a.labelsStride, a.ignore, classes);
            if (label < 0) continue;
            const lane = (j as usize) << 2;
            if (a.table) {
              regionPixel(a, label, e + lane, u + lane);
              continue;
            }
            let weight: f32 = a.classWeights ? load<f32>(a.classWeights + ((label as usize) << 2)) : 1;
            if (a.radius > 0 && isBoundary(a, image, i, x + j, label)) weight *= 1 + a.boundary;
            const at = values + ((label as usize) << 2);
            const from = load<f32>(at + left);
            const logit = from + load<f32>(fractions + lane) * (load<f32>(at + right) - from);
            focalPixel(a, label, weight, load<f32>(logSums + lane), logit, e + lane, u + lane, sums);
          }
          sendEight(classes, state, fractions, e, u, gradients + left, gradients + right);
        }
      }
      addRow(gradients, pixel, 1 - v, width, padded as i32, upper, pixel);
      addRow(gradients, pixel, v, width, padded as i32, hasBelow ? lower : upper, pixel);
    }
    const to = out.glogits + (((image * t.coarseHeight + r) * width) as usize) * out.glogitsStride;
    copyRow(upper, pixel, to, out.glogitsStride, width, (classes as usize) << 2);
    const swap = upper;
    upper = lower;
    lower = swap;
  }
  memory.copy(out.below + (chunk as usize) * out.belowBytes, upper, row);
  const to = out.sums.partials + ((chunk as usize) << 4);
  store<f64>(to, load<f64>(sums));
  store<f64>(to, load<f64>(sums, 8), 8);
}

/** The mean loss, `Σ w` and its inverse. */
export function softmaxLossJoin(a: SoftmaxLossArgs, chunk: i32, local: usize): void {
  joinSums(a.out.sums);
}

/** Adds what the band above left for its first row below, and multiplies by `inverse`. */
export function softmaxLossScale(a: SoftmaxLossArgs, chunk: i32, local: usize): void {
  scaleBands(a.out, a.axes, chunk);
}
