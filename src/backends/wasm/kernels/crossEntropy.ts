import { Axes, fractionAt, startAt } from './axes';
import { EvenGroup, evenPixels, extremes, groupsPerTurn, safeSpread } from './evenPixels';
import { expLogBytes, log4, storeExpLog } from './explog';
import { EightPixels, exponentials, laneSum, laneSums } from './exponentials';
import { madd, storeBoth } from './lanes';
import { copyRow, joinSums, LossBands, padChannels, scaleBands } from './lossBands';
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
 * logits (`targets`, 32 bytes each), and the gradient of that. False if no pixel has a weight.
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
  weights: usize,
  targets: usize,
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
      storeBoth(weights, w4, w4);
      const t0 = v128.load(fractions);
      const t1 = v128.load(fractions, 16);
      const from = f32x4.splat(hit * load<f32>(left + c));
      const slope = f32x4.sub(f32x4.splat(hit * load<f32>(right + c)), from);
      storeBoth(targets, madd(t0, slope, from), madd(t1, slope, from));
      const toRight = laneSum(f32x4.add(t0, t1));
      addAt(gradLeft + c, -hit * w * (8 - toRight));
      addAt(gradRight + c, -hit * w * toRight);
      return true;
    }
  }
  let any = false;
  memory.fill(weights, 0, 32);
  memory.fill(targets, 0, 32);
  for (let j: usize = 0; j < (count as usize); j++) {
    const label = load<u8>(labels + j * a.labelsStride) as usize;
    if (label == (a.ignore as usize) || label >= classes) continue;
    const c = label << 2;
    const w: f32 = a.classWeights ? load<f32>(a.classWeights + c) : 1;
    const t = load<f32>(fractions + (j << 2));
    const from = load<f32>(left + c);
    store<f32>(weights + (j << 2), w);
    store<f32>(targets + (j << 2), hit * (from + t * (load<f32>(right + c) - from)));
    addAt(gradLeft + c, -hit * w * (1 - t));
    addAt(gradRight + c, -hit * w * t);
    any = true;
  }
  return any;
}

/**
 * The part of the targets that all classes share, ε/classes each: its dot product with the logits is added to `targets`; what
 * every class's gradient gets of it, left and right, goes to `spreads`.
 */
function smooth(
  a: CrossEntropyArgs,
  left: usize,
  right: usize,
  fractions: usize,
  weights: usize,
  targets: usize,
  spreads: usize,
): void {
  const classes = a.out.classes as usize;
  const each = a.smoothing / (classes as f32);
  let allLeft: f32 = 0;
  let allRight: f32 = 0;
  for (let c: usize = 0; c < classes << 2; c += 4) {
    allLeft += load<f32>(left + c);
    allRight += load<f32>(right + c);
  }
  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  const w0 = v128.load(weights);
  const w1 = v128.load(weights, 16);
  const from = f32x4.splat(each * allLeft);
  const slope = f32x4.splat(each * (allRight - allLeft));
  storeBoth(
    targets,
    f32x4.add(v128.load(targets), madd(t0, slope, from)),
    f32x4.add(v128.load(targets, 16), madd(t1, slope, from)),
  );
  const toRight = laneSum(f32x4.add(f32x4.mul(w0, t0), f32x4.mul(w1, t1)));
  storeBoth(spreads, f32x4.splat(each * (laneSum(f32x4.add(w0, w1)) - toRight)), f32x4.splat(each * toRight));
}

/** Up to eight neighbouring pixels between two coarse columns: loss, and gradient of both columns. Lanes are pixels. */
// @ts-ignore: decorator
@inline
function pixels(
  a: CrossEntropyArgs,
  count: i32,
  labels: usize,
  fractions: usize,
  left: usize,
  right: usize,
  gradLeft: usize,
  gradRight: usize,
  local: EightPixels,
  e: usize,
): void {
  const weights = changetype<usize>(local) + offsetof<EightPixels>('weights0');
  const targets = changetype<usize>(local) + offsetof<EightPixels>('labelLogits0');
  if (!hitLabels(a, count, labels, fractions, left, right, gradLeft, gradRight, weights, targets)) return;
  exponentials(a.out.classes as usize, left, right, fractions, local, e);
  if (a.smoothing > 0) {
    const spreads = changetype<usize>(local) + offsetof<EightPixels>('spreadLeft');
    smooth(a, left, right, fractions, weights, targets, spreads);
  }
  const spreadLeft = local.spreadLeft;
  const spreadRight = local.spreadRight;
  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  const w0 = local.weights0;
  const w1 = local.weights1;
  const sum0 = local.sums0;
  const sum1 = local.sums1;
  const loss0 = f32x4.sub(f32x4.add(local.offsets0, log4(sum0)), local.labelLogits0);
  const loss1 = f32x4.sub(f32x4.add(local.offsets1, log4(sum1)), local.labelLogits1);
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
  for (let c: usize = 0, end = (a.out.classes as usize) << 2; c < end; c += 16) {
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

/** One row of pixels: loss, and the gradient of the coarse row that lies at their height. */
function row(
  a: CrossEntropyArgs,
  labels: usize,
  values: usize,
  gradients: usize,
  pixel: usize,
  state: EightPixels,
  e: usize,
  table: usize,
  groups: usize,
  spare: usize,
  spans: usize,
): void {
  const t = a.axes;
  const width = t.coarseWidth;
  const totals = changetype<usize>(state) + offsetof<EightPixels>('lossSum');
  let count = 0;
  extremes(values, width, pixel, spans);
  for (let q = 0; q < width; q++) {
    const next: usize = q + 1 < width ? 1 : 0;
    const left = values + (q as usize) * pixel;
    const right = left + next * pixel;
    const gradLeft = gradients + (q as usize) * pixel;
    const gradRight = gradLeft + next * pixel;
    const span = spans + ((q as usize) << 3);
    const high = max(load<f32>(span), load<f32>(span + (next << 3)));
    const low = min(load<f32>(span, 4), load<f32>(span + (next << 3), 4));
    // Fractions left of the first coarse column are all zero.
    const even = q > 0 && high - low < safeSpread;
    const stop = startAt(t.columnStarts, q + 1);
    for (let x = startAt(t.columnStarts, q); x < stop; x += 8) {
      const at = labels + (x as usize) * a.labelsStride;
      const fractions = t.columnFractions + ((x as usize) << 2);
      if (!even || stop - x < 8) {
        pixels(a, min(8, stop - x), at, fractions, left, right, gradLeft, gradRight, state, e);
        continue;
      }
      const group = changetype<EvenGroup>(groups + (count as usize) * offsetof<EvenGroup>());
      const weights = changetype<usize>(group) + offsetof<EvenGroup>('weights0');
      const targets = changetype<usize>(group) + offsetof<EvenGroup>('targets0');
      if (!hitLabels(a, 8, at, fractions, left, right, gradLeft, gradRight, weights, targets)) continue;
      group.left = left;
      group.right = right;
      group.gradLeft = gradLeft;
      group.gradRight = gradRight;
      group.fractions = fractions;
      group.high = high;
      if (a.smoothing > 0) {
        const spreads = changetype<usize>(group) + offsetof<EvenGroup>('spreadLeft');
        smooth(a, left, right, fractions, weights, targets, spreads);
      }
      if (++count == groupsPerTurn) {
        evenPixels(groups, count, pixel, a.step, table, totals, spare);
        count = 0;
      }
    }
  }
  evenPixels(groups, count, pixel, a.step, table, totals, spare);
}

/** A band of coarse rows with the fine rows of its cells; gradients are not yet divided by `Σ w`. */
export function crossEntropy(a: CrossEntropyArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const classes = a.out.classes as usize;
  const width = t.coarseWidth;
  // Channels in whole vectors outside, in whole pairs of vectors here.
  const padded = (classes + 3) & ~3;
  const outer = padded << 2;
  const outerRow = (width as usize) * outer;
  const pixel = ((classes + 7) & ~7) << 2;
  const rowBytes = (width as usize) * pixel;
  const image = chunk / a.out.bands;
  const first = (chunk % a.out.bands) * a.out.bandRows;
  const last = min(first + a.out.bandRows, t.coarseHeight);
  const state = changetype<EightPixels>(local);
  const e = local + offsetof<EightPixels>();
  const table = e + (padded << 5);
  const groups = table + expLogBytes + pixel;
  const spare = groups + (groupsPerTurn as usize) * offsetof<EvenGroup>();
  const values = spare + 256 + 2 * (groupsPerTurn as usize) * pixel;
  const gradients = values + rowBytes;
  let upper = gradients + rowBytes;
  let lower = upper + outerRow;
  const spans = lower + outerRow;
  memory.fill(local, 0, spare - local);
  storeExpLog(table);
  for (let c: usize = 0; c < classes; c++) store<f32>(table + expLogBytes + (c << 2), 1);
  memory.fill(upper, 0, outerRow);
  for (let r = first; r < last; r++) {
    memory.fill(lower, 0, outerRow);
    const hasBelow = r + 1 < t.coarseHeight;
    const top = a.logits + (((image * t.coarseHeight + r) * width) as usize) * a.logitsStride;
    const bottom = hasBelow ? top + (width as usize) * a.logitsStride : top;
    for (let i = startAt(t.rowStarts, r), until = startAt(t.rowStarts, r + 1); i < until; i++) {
      const v = fractionAt(t.rowFractions, i);
      lerpRow(top, bottom, a.logitsStride, v, width, classes, values, pixel);
      padChannels(values, width, classes, pixel >> 2);
      memory.fill(gradients, 0, rowBytes);
      const labels = a.labels + (((image * t.fineHeight + i) * t.fineWidth) as usize) * a.labelsStride;
      row(a, labels, values, gradients, pixel, state, e, table, groups, spare, spans);
      addRow(gradients, pixel, 1 - v, width, padded, upper, outer);
      addRow(gradients, pixel, v, width, padded, hasBelow ? lower : upper, outer);
    }
    const to = a.out.glogits + (((image * t.coarseHeight + r) * width) as usize) * a.out.glogitsStride;
    copyRow(upper, outer, to, a.out.glogitsStride, width, classes << 2);
    const swap = upper;
    upper = lower;
    lower = swap;
  }
  memory.copy(a.out.below + (chunk as usize) * a.out.belowBytes, upper, outerRow);
  const sums = local + offsetof<EightPixels>('lossSum');
  const to = a.out.sums.partials + ((chunk as usize) << 4);
  store<f64>(to, load<f64>(sums) + load<f64>(sums, 8) + load<f64>(sums, 16) + load<f64>(sums, 24));
  store<f64>(to, load<f64>(sums, 32) + load<f64>(sums, 40) + load<f64>(sums, 48) + load<f64>(sums, 56), 8);
}

/** The mean loss, `Σ w` and its inverse. */
export function crossEntropyJoin(a: CrossEntropyArgs, chunk: i32, local: usize): void {
  joinSums(a.out.sums);
}

/** Adds what the band above left for its first row below, and divides by `Σ w`. */
export function crossEntropyScale(a: CrossEntropyArgs, chunk: i32, local: usize): void {
  scaleBands(a.out, a.axes, chunk);
}
