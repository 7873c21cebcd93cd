import { Axes, fractionAt, startAt } from './axes';
import { log4 } from './explog';
import { EightPixels, exponentials, geometricExponentials, laneSum, laneSums } from './exponentials';
import { madd } from './lanes';
import { copyRow, joinBands, LossBands, padChannels, scaleBands } from './lossBands';
import { addTo64 } from './partials';
import { addRow, lerpRow } from './rows';

@unmanaged
class CrossEntropyArgs {
  logits: usize;
  logitsStride: usize;
  labels: usize;
  labelsStride: usize;
  /** 0: all ones. */
  classWeights: usize;
  ignore: i32;
  smoothing: f32;
  /** Coarse pixels from one fine column to the next. */
  step: f32;
  out: LossBands;
  axes: Axes;
}

// @ts-ignore: decorator
@inline
function addAt(at: usize, v: f32): void {
  store<f32>(at, load<f32>(at) + v);
}

/**
 * Weights of up to eight pixels (zero: no loss), their label's part `1 − ε` of the target's dot product with the
 * logits, and the gradient of that. False if no pixel has a weight.
 */
// @ts-ignore: decorator
@inline
function hitLabels(
  a: CrossEntropyArgs,
  count: i32,
  labels: usize,
  fractions: usize,
  left: usize,
  right: usize,
  gradLeft: usize,
  gradRight: usize,
  local: EightPixels,
): bool {
  const classes = a.out.classes as usize;
  const hit: f32 = (1 as f32) - a.smoothing;
  if (count == 8 && a.labelsStride == 1) {
    // Inside an object all eight labels are the same.
    const eight = load<u64>(labels);
    if (eight == rotr<u64>(eight, 8)) {
      const label = (eight & 255) as usize;
      if (label == (a.ignore as usize) || label >= classes) return false;
      const c = label << 2;
      const w: f32 = a.classWeights ? load<f32>(a.classWeights + c) : 1;
      const w4 = f32x4.splat(w);
      local.weights0 = w4;
      local.weights1 = w4;
      const t0 = v128.load(fractions);
      const t1 = v128.load(fractions, 16);
      const from = f32x4.splat(hit * load<f32>(left + c));
      const slope = f32x4.sub(f32x4.splat(hit * load<f32>(right + c)), from);
      local.labelLogits0 = madd(t0, slope, from);
      local.labelLogits1 = madd(t1, slope, from);
      const toRight = laneSum(f32x4.add(t0, t1));
      addAt(gradLeft + c, -hit * w * (8 - toRight));
      addAt(gradRight + c, -hit * w * toRight);
      return true;
    }
  }
  let any = false;
  const weights = changetype<usize>(local) + offsetof<EightPixels>('weights0');
  const labelLogits = changetype<usize>(local) + offsetof<EightPixels>('labelLogits0');
  memory.fill(weights, 0, 64);
  for (let j: usize = 0; j < (count as usize); j++) {
    const label = load<u8>(labels + j * a.labelsStride) as usize;
    if (label == (a.ignore as usize) || label >= classes) continue;
    const c = label << 2;
    const w: f32 = a.classWeights ? load<f32>(a.classWeights + c) : 1;
    const t = load<f32>(fractions + (j << 2));
    const from = load<f32>(left + c);
    store<f32>(weights + (j << 2), w);
    store<f32>(labelLogits + (j << 2), hit * (from + t * (load<f32>(right + c) - from)));
    addAt(gradLeft + c, -hit * w * (1 - t));
    addAt(gradRight + c, -hit * w * t);
    any = true;
  }
  return any;
}

/**
 * Up to eight neighbouring pixels between two coarse columns: loss, and gradient of both columns. Lanes are pixels.
 * `even`: the eight fractions are evenly spaced.
 */
// @ts-ignore: decorator
@inline
function pixels(
  a: CrossEntropyArgs,
  count: i32,
  even: bool,
  labels: usize,
  fractions: usize,
  left: usize,
  right: usize,
  gradLeft: usize,
  gradRight: usize,
  local: EightPixels,
  e: usize,
): void {
  if (!hitLabels(a, count, labels, fractions, left, right, gradLeft, gradRight, local)) return;
  const classes = a.out.classes as usize;
  if (!even || !geometricExponentials(classes, left, right, load<f32>(fractions), a.step, local, e)) {
    exponentials(classes, left, right, fractions, local, e);
  }
  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  const w0 = local.weights0;
  const w1 = local.weights1;
  const sum0 = local.sums0;
  const sum1 = local.sums1;
  let target0 = local.labelLogits0;
  let target1 = local.labelLogits1;
  let spreadLeft = f32x4.splat(0);
  let spreadRight = spreadLeft;
  if (a.smoothing > 0) {
    // The part of the target that all classes share: ε/classes.
    const each = a.smoothing / (classes as f32);
    let allLeft: f32 = 0;
    let allRight: f32 = 0;
    for (let c: usize = 0; c < classes << 2; c += 4) {
      allLeft += load<f32>(left + c);
      allRight += load<f32>(right + c);
    }
    const from = f32x4.splat(each * allLeft);
    const slope = f32x4.splat(each * (allRight - allLeft));
    target0 = f32x4.add(target0, madd(t0, slope, from));
    target1 = f32x4.add(target1, madd(t1, slope, from));
    const toRight = laneSum(f32x4.add(f32x4.mul(w0, t0), f32x4.mul(w1, t1)));
    spreadLeft = f32x4.splat(each * (laneSum(f32x4.add(w0, w1)) - toRight));
    spreadRight = f32x4.splat(each * toRight);
  }
  const loss0 = f32x4.sub(f32x4.add(local.offsets0, log4(sum0)), target0);
  const loss1 = f32x4.sub(f32x4.add(local.offsets1, log4(sum1)), target1);
  addTo64(
    changetype<usize>(local) + offsetof<EightPixels>('lossSum'),
    f32x4.add(f32x4.mul(w0, loss0), f32x4.mul(w1, loss1)),
  );
  addTo64(changetype<usize>(local) + offsetof<EightPixels>('weightSum'), f32x4.add(w0, w1));

  const p0 = f32x4.div(w0, sum0);
  const p1 = f32x4.div(w1, sum1);
  const right0 = f32x4.mul(p0, t0);
  const right1 = f32x4.mul(p1, t1);
  const left0 = f32x4.sub(p0, right0);
  const left1 = f32x4.sub(p1, right1);
  let at = e;
  for (let c: usize = 0, end = classes << 2; c < end; c += 16) {
    const a0 = v128.load(at);
    const a1 = v128.load(at, 16);
    const b0 = v128.load(at, 32);
    const b1 = v128.load(at, 48);
    const c0 = v128.load(at, 64);
    const c1 = v128.load(at, 80);
    const d0 = v128.load(at, 96);
    const d1 = v128.load(at, 112);
    at += 128;
    const sumLeft = laneSums(
      madd(a1, left1, f32x4.mul(a0, left0)),
      madd(b1, left1, f32x4.mul(b0, left0)),
      madd(c1, left1, f32x4.mul(c0, left0)),
      madd(d1, left1, f32x4.mul(d0, left0)),
    );
    const sumRight = laneSums(
      madd(a1, right1, f32x4.mul(a0, right0)),
      madd(b1, right1, f32x4.mul(b0, right0)),
      madd(c1, right1, f32x4.mul(c0, right0)),
      madd(d1, right1, f32x4.mul(d0, right0)),
    );
    v128.store(gradLeft + c, f32x4.add(v128.load(gradLeft + c), f32x4.sub(sumLeft, spreadLeft)));
    v128.store(gradRight + c, f32x4.add(v128.load(gradRight + c), f32x4.sub(sumRight, spreadRight)));
  }
}

/** A band of coarse rows with the fine rows of its cells; gradients are not yet divided by `Σ w`. */
export function crossEntropy(a: CrossEntropyArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const classes = a.out.classes as usize;
  const width = t.coarseWidth;
  const padded = (classes + 3) & ~3;
  const pixel = padded << 2;
  const row = (width as usize) * pixel;
  const image = chunk / a.out.bands;
  const first = (chunk % a.out.bands) * a.out.bandRows;
  const last = min(first + a.out.bandRows, t.coarseHeight);
  const state = changetype<EightPixels>(local);
  const e = local + offsetof<EightPixels>();
  const values = e + (padded << 5);
  const gradients = values + row;
  let upper = gradients + row;
  let lower = upper + row;
  memory.fill(local, 0, offsetof<EightPixels>() + (padded << 5));
  memory.fill(upper, 0, row);
  for (let r = first; r < last; r++) {
    memory.fill(lower, 0, row);
    const hasBelow = r + 1 < t.coarseHeight;
    const top = a.logits + (((image * t.coarseHeight + r) * width) as usize) * a.logitsStride;
    const bottom = hasBelow ? top + (width as usize) * a.logitsStride : top;
    for (let i = startAt(t.rowStarts, r), until = startAt(t.rowStarts, r + 1); i < until; i++) {
      const v = fractionAt(t.rowFractions, i);
      lerpRow(top, bottom, a.logitsStride, v, width, classes, values, pixel);
      padChannels(values, width, classes, padded);
      memory.fill(gradients, 0, row);
      const labels = a.labels + (((image * t.fineHeight + i) * t.fineWidth) as usize) * a.labelsStride;
      for (let q = 0; q < width; q++) {
        const left = (q as usize) * pixel;
        const right = q + 1 < width ? left + pixel : left;
        const stop = startAt(t.columnStarts, q + 1);
        for (let x = startAt(t.columnStarts, q); x < stop; x += 8) {
          pixels(
            a,
            min(8, stop - x),
            // Fractions left of the first coarse column are all zero.
            stop - x >= 8 && q > 0,
            labels + (x as usize) * a.labelsStride,
            t.columnFractions + ((x as usize) << 2),
            values + left,
            values + right,
            gradients + left,
            gradients + right,
            state,
            e,
          );
        }
      }
      addRow(gradients, pixel, 1 - v, width, padded, upper, pixel);
      addRow(gradients, pixel, v, width, padded, hasBelow ? lower : upper, pixel);
    }
    const to = a.out.glogits + (((image * t.coarseHeight + r) * width) as usize) * a.out.glogitsStride;
    copyRow(upper, pixel, to, a.out.glogitsStride, width, classes << 2);
    const swap = upper;
    upper = lower;
    lower = swap;
  }
  memory.copy(a.out.below + (chunk as usize) * a.out.belowBytes, upper, row);
  const sums = local + offsetof<EightPixels>('lossSum');
  const to = a.out.partials + ((chunk as usize) << 4);
  store<f64>(to, load<f64>(sums) + load<f64>(sums, 8) + load<f64>(sums, 16) + load<f64>(sums, 24));
  store<f64>(to, load<f64>(sums, 32) + load<f64>(sums, 40) + load<f64>(sums, 48) + load<f64>(sums, 56), 8);
}

/** The mean loss, `Σ w` and its inverse. */
export function crossEntropyJoin(a: CrossEntropyArgs, chunk: i32, local: usize): void {
  joinBands(a.out);
}

/** Adds what the band above left for its first row below, and divides by `Σ w`. */
export function crossEntropyScale(a: CrossEntropyArgs, chunk: i32, local: usize): void {
  scaleBands(a.out, a.axes, chunk);
}
