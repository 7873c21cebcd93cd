import { Axes, fractionAt, startAt } from './axes';
import { exp4, log4 } from './explog';
import { largestLane, madd } from './lanes';
import { addTo64 } from './partials';
import { addRow, lerpRow } from './rows';

@unmanaged
class Args {
  logits: usize;
  logitsStride: usize;
  labels: usize;
  labelsStride: usize;
  /** 0: all ones. */
  classWeights: usize;
  glogits: usize;
  glogitsStride: usize;
  loss: usize;
  classes: i32;
  images: i32;
  ignore: i32;
  smoothing: f32;
  bandRows: i32;
  bands: i32;
  /** Per chunk a row of gradients for the coarse row below the band. */
  below: usize;
  belowBytes: usize;
  /** Per chunk two float64: `Σ w·ce` and `Σ w`. */
  partials: usize;
  /** `1/Σw`. */
  inverse: usize;
  /** Coarse rows per chunk of the last stage. */
  scaleRows: i32;
  /** Coarse pixels from one fine column to the next. */
  step: f32;
}

/** Private memory: eight pixels at a time, then rows of coarse pixels with channels padded to whole vectors. */
@unmanaged
class Local {
  weights0: v128;
  weights1: v128;
  labelLogits0: v128;
  labelLogits1: v128;
  /** Exponentials are of logits minus these, and their sums. */
  offsets0: v128;
  offsets1: v128;
  sums0: v128;
  sums1: v128;
  /** Eight float64: lanes of `Σ w·ce`, then of `Σ w`. */
  lossSum: v128;
  lossSumHigh: v128;
  weightSum: v128;
  weightSumHigh: v128;
}

/** Sums of the lanes of four vectors, as one vector. */
// @ts-ignore: decorator
@inline
function laneSums(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(
    i8x16.shuffle(a, b, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23),
    i8x16.shuffle(a, b, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31),
  );
  const cd = f32x4.add(
    i8x16.shuffle(c, d, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23),
    i8x16.shuffle(c, d, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31),
  );
  return f32x4.add(
    i8x16.shuffle(ab, cd, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23),
    i8x16.shuffle(ab, cd, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31),
  );
}

/** Exponentials of eight pixels, each minus its largest logit: `e` gets two vectors per class, lanes are pixels. */
function exponentials(classes: usize, left: usize, right: usize, fractions: usize, local: Local, e: usize): void {
  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  const end = e + (classes << 5);
  let max0 = f32x4.splat(-Infinity);
  let max1 = max0;
  for (let at = e; at < end; at += 32) {
    const from = v128.load32_splat(left);
    const slope = f32x4.sub(v128.load32_splat(right), from);
    const z0 = madd(t0, slope, from);
    const z1 = madd(t1, slope, from);
    v128.store(at, z0);
    v128.store(at, z1, 16);
    max0 = f32x4.pmax(max0, z0);
    max1 = f32x4.pmax(max1, z1);
    left += 4;
    right += 4;
  }
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  for (let at = e; at < end; at += 32) {
    const e0 = exp4(f32x4.sub(v128.load(at), max0));
    const e1 = exp4(f32x4.sub(v128.load(at, 16), max1));
    v128.store(at, e0);
    v128.store(at, e1, 16);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
  }
  local.offsets0 = max0;
  local.offsets1 = max1;
  local.sums0 = sum0;
  local.sums1 = sum1;
}

/** Logits may differ by this much before products of their exponentials leave the range of float32. */
const safeSpread: f32 = 80;

/**
 * The same where the eight fractions are evenly spaced: logits are linear along the pixels, so exponentials are a
 * geometric sequence, and two of them per class give all eight. False if the logits are too far apart for that.
 */
function geometricExponentials(
  classes: usize,
  left: usize,
  right: usize,
  fraction: f32,
  step: f32,
  local: Local,
  e: usize,
): bool {
  const end = classes << 2;
  let high4 = v128.load(left);
  let low4 = high4;
  for (let c: usize = 0; c < end; c += 16) {
    const l = v128.load(left + c);
    const r = v128.load(right + c);
    high4 = f32x4.pmax(high4, f32x4.pmax(l, r));
    low4 = f32x4.pmin(low4, f32x4.pmin(l, r));
  }
  const high = largestLane(high4);
  if (!(high + largestLane(f32x4.neg(low4)) < safeSpread)) return false;
  const offset = f32x4.splat(high);
  const fraction4 = f32x4.splat(fraction);
  const step4 = f32x4.splat(step);
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  for (let c: usize = 0; c < end; c += 16) {
    const l = v128.load(left + c);
    const slope = f32x4.sub(v128.load(right + c), l);
    const ratio = exp4(f32x4.mul(step4, slope));
    const p0 = exp4(madd(fraction4, slope, f32x4.sub(l, offset)));
    const p1 = f32x4.mul(p0, ratio);
    const p2 = f32x4.mul(p1, ratio);
    const p3 = f32x4.mul(p2, ratio);
    // From lanes that are classes to lanes that are pixels.
    const p01 = i8x16.shuffle(p0, p1, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const p23 = i8x16.shuffle(p2, p3, 0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    const q01 = i8x16.shuffle(p0, p1, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const q23 = i8x16.shuffle(p2, p3, 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
    const a0 = i8x16.shuffle(p01, p23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const b0 = i8x16.shuffle(p01, p23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const c0 = i8x16.shuffle(q01, q23, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
    const d0 = i8x16.shuffle(q01, q23, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);
    const square = f32x4.mul(ratio, ratio);
    const fourth = f32x4.mul(square, square);
    const a1 = f32x4.mul(a0, i8x16.shuffle(fourth, fourth, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3));
    const b1 = f32x4.mul(b0, i8x16.shuffle(fourth, fourth, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7));
    const c1 = f32x4.mul(c0, i8x16.shuffle(fourth, fourth, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11, 8, 9, 10, 11));
    const d1 = f32x4.mul(
      d0,
      i8x16.shuffle(fourth, fourth, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15, 12, 13, 14, 15),
    );
    const to = e + (c << 3);
    v128.store(to, a0);
    v128.store(to, a1, 16);
    sum0 = f32x4.add(sum0, a0);
    sum1 = f32x4.add(sum1, a1);
    v128.store(to, b0, 32);
    v128.store(to, b1, 48);
    v128.store(to, c0, 64);
    v128.store(to, c1, 80);
    v128.store(to, d0, 96);
    v128.store(to, d1, 112);
    if (c + 4 < end) {
      sum0 = f32x4.add(sum0, b0);
      sum1 = f32x4.add(sum1, b1);
    }
    if (c + 8 < end) {
      sum0 = f32x4.add(sum0, c0);
      sum1 = f32x4.add(sum1, c1);
    }
    if (c + 12 < end) {
      sum0 = f32x4.add(sum0, d0);
      sum1 = f32x4.add(sum1, d1);
    }
  }
  local.offsets0 = offset;
  local.offsets1 = offset;
  local.sums0 = sum0;
  local.sums1 = sum1;
  return true;
}

/** The sum of a vector's lanes. */
// @ts-ignore: decorator
@inline
function laneSum(v: v128): f32 {
  return f32x4.extract_lane(laneSums(v, v, v, v), 0);
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
  a: Args,
  count: i32,
  labels: usize,
  fractions: usize,
  left: usize,
  right: usize,
  gradLeft: usize,
  gradRight: usize,
  local: Local,
): bool {
  const classes = a.classes as usize;
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
  const weights = changetype<usize>(local) + offsetof<Local>('weights0');
  const labelLogits = changetype<usize>(local) + offsetof<Local>('labelLogits0');
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
  a: Args,
  count: i32,
  even: bool,
  labels: usize,
  fractions: usize,
  left: usize,
  right: usize,
  gradLeft: usize,
  gradRight: usize,
  local: Local,
  e: usize,
): void {
  if (!hitLabels(a, count, labels, fractions, left, right, gradLeft, gradRight, local)) return;
  const classes = a.classes as usize;
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
    changetype<usize>(local) + offsetof<Local>('lossSum'),
    f32x4.add(f32x4.mul(w0, loss0), f32x4.mul(w1, loss1)),
  );
  addTo64(changetype<usize>(local) + offsetof<Local>('weightSum'), f32x4.add(w0, w1));

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

/** Fills channels up to whole vectors with the first one, which changes neither largest nor smallest. */
// @ts-ignore: decorator
@inline
function padChannels(row: usize, width: i32, classes: usize, padded: usize): void {
  for (let i = 0; i < width; i++) {
    for (let c = classes; c < padded; c++) store<f32>(row + (c << 2), load<f32>(row));
    row += padded << 2;
  }
}

// @ts-ignore: decorator
@inline
function copyRow(from: usize, fromStride: usize, to: usize, toStride: usize, width: i32, bytes: usize): void {
  for (let i = 0; i < width; i++) {
    for (let c: usize = 0; c < bytes; c += 4) store<f32>(to + c, load<f32>(from + c));
    from += fromStride;
    to += toStride;
  }
}

/** A band of coarse rows with the fine rows of its cells; gradients are not yet divided by `Σ w`. */
export function crossEntropy(args: usize, chunk: i32, local: usize): void {
  const a = changetype<Args>(args);
  const t = changetype<Axes>(args + offsetof<Args>());
  const classes = a.classes as usize;
  const width = t.coarseWidth;
  const padded = (classes + 3) & ~3;
  const pixel = padded << 2;
  const row = (width as usize) * pixel;
  const image = chunk / a.bands;
  const first = (chunk % a.bands) * a.bandRows;
  const last = min(first + a.bandRows, t.coarseHeight);
  const state = changetype<Local>(local);
  const e = local + offsetof<Local>();
  const values = e + (padded << 5);
  const gradients = values + row;
  let upper = gradients + row;
  let lower = upper + row;
  memory.fill(local, 0, offsetof<Local>() + (padded << 5));
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
    const to = a.glogits + (((image * t.coarseHeight + r) * width) as usize) * a.glogitsStride;
    copyRow(upper, pixel, to, a.glogitsStride, width, classes << 2);
    const swap = upper;
    upper = lower;
    lower = swap;
  }
  memory.copy(a.below + (chunk as usize) * a.belowBytes, upper, row);
  const sums = local + offsetof<Local>('lossSum');
  const to = a.partials + ((chunk as usize) << 4);
  store<f64>(to, load<f64>(sums) + load<f64>(sums, 8) + load<f64>(sums, 16) + load<f64>(sums, 24));
  store<f64>(to, load<f64>(sums, 32) + load<f64>(sums, 40) + load<f64>(sums, 48) + load<f64>(sums, 56), 8);
}

/** The mean loss, `Σ w` and its inverse. */
export function crossEntropyJoin(args: usize, chunk: i32, local: usize): void {
  const a = changetype<Args>(args);
  let loss: f64 = 0;
  let weight: f64 = 0;
  let at = a.partials;
  for (let i = 0, chunks = a.images * a.bands; i < chunks; i++) {
    loss += load<f64>(at);
    weight += load<f64>(at, 8);
    at += 16;
  }
  const inverse: f64 = weight > 0 ? 1 / weight : 0;
  store<f32>(a.loss, (loss * inverse) as f32);
  store<f32>(a.loss, weight as f32, 4);
  store<f32>(a.inverse, inverse as f32);
}

/** Adds what the band above left for its first row below, and divides by `Σ w`. */
export function crossEntropyScale(args: usize, chunk: i32, local: usize): void {
  const a = changetype<Args>(args);
  const t = changetype<Axes>(args + offsetof<Args>());
  const width = t.coarseWidth;
  const end = (a.classes as usize) << 2;
  const pixel = (end + 15) & ~15;
  const inverse = load<f32>(a.inverse);
  const first = chunk * a.scaleRows;
  const last = min(first + a.scaleRows, a.images * t.coarseHeight);
  for (let row = first; row < last; row++) {
    const r = row % t.coarseHeight;
    let g = a.glogits + ((row * width) as usize) * a.glogitsStride;
    if (r > 0 && r % a.bandRows == 0) {
      const band = (row / t.coarseHeight) * a.bands + r / a.bandRows - 1;
      let below = a.below + (band as usize) * a.belowBytes;
      for (let i = 0; i < width; i++) {
        for (let c: usize = 0; c < end; c += 4) {
          store<f32>(g + c, (load<f32>(g + c) + load<f32>(below + c)) * inverse);
        }
        g += a.glogitsStride;
        below += pixel;
      }
    } else {
      for (let i = 0; i < width; i++) {
        for (let c: usize = 0; c < end; c += 4) store<f32>(g + c, load<f32>(g + c) * inverse);
        g += a.glogitsStride;
      }
    }
  }
}
