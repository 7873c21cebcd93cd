import { Axes, fractionAt, startAt } from './axes';
import { exp4, log4 } from './explog';
import { madd } from './lanes';
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
}

/** Private memory: eight pixels at a time, then rows of coarse pixels with channels padded to whole vectors. */
@unmanaged
class Local {
  weights0: v128;
  weights1: v128;
  labelLogits0: v128;
  labelLogits1: v128;
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

/**
 * Up to eight neighbouring pixels between two coarse columns: loss, and gradient of both columns. Lanes are pixels.
 * `z`: two vectors per class, logits; `e` the same, exponentials.
 */
// @ts-ignore: decorator
@inline
function pixels(
  a: Args,
  count: i32,
  labels: usize,
  fractions: usize,
  left: usize,
  right: usize,
  gradLeft: usize,
  gradRight: usize,
  local: Local,
  z: usize,
  e: usize,
): void {
  const classes = a.classes as usize;
  let any = false;
  const weights = changetype<usize>(local) + offsetof<Local>('weights0');
  v128.store(weights, i32x4.splat(0));
  v128.store(weights, i32x4.splat(0), 16);
  for (let j: usize = 0; j < (count as usize); j++) {
    const label = load<u8>(labels + j * a.labelsStride) as usize;
    if (label == (a.ignore as usize) || label >= classes) continue;
    store<f32>(weights + (j << 2), a.classWeights ? load<f32>(a.classWeights + (label << 2)) : 1);
    any = true;
  }
  if (!any) return;

  const t0 = v128.load(fractions);
  const t1 = v128.load(fractions, 16);
  const zEnd = z + (classes << 5);
  let max0 = f32x4.splat(-Infinity);
  let max1 = max0;
  let l = left;
  let r = right;
  for (let at = z; at < zEnd; at += 32) {
    const from = v128.load32_splat(l);
    const slope = f32x4.sub(v128.load32_splat(r), from);
    const z0 = madd(t0, slope, from);
    const z1 = madd(t1, slope, from);
    v128.store(at, z0);
    v128.store(at, z1, 16);
    max0 = f32x4.pmax(max0, z0);
    max1 = f32x4.pmax(max1, z1);
    l += 4;
    r += 4;
  }
  let sum0 = f32x4.splat(0);
  let sum1 = sum0;
  let to = e;
  for (let at = z; at < zEnd; at += 32) {
    const e0 = exp4(f32x4.sub(v128.load(at), max0));
    const e1 = exp4(f32x4.sub(v128.load(at, 16), max1));
    v128.store(to, e0);
    v128.store(to, e1, 16);
    sum0 = f32x4.add(sum0, e0);
    sum1 = f32x4.add(sum1, e1);
    to += 32;
  }

  // The target: (1 − ε)·onehot + ε/classes. Its dot product with the logits, and its part of the gradient.
  const hit: f32 = (1 as f32) - a.smoothing;
  const labelLogits = changetype<usize>(local) + offsetof<Local>('labelLogits0');
  v128.store(labelLogits, i32x4.splat(0));
  v128.store(labelLogits, i32x4.splat(0), 16);
  for (let j: usize = 0; j < (count as usize); j++) {
    const w = hit * load<f32>(weights + (j << 2));
    const label = load<u8>(labels + j * a.labelsStride) as usize;
    if (label == (a.ignore as usize) || label >= classes) continue;
    store<f32>(labelLogits + (j << 2), hit * load<f32>(z + (label << 5) + (j << 2)));
    const t = load<f32>(fractions + (j << 2));
    const toLeft = gradLeft + (label << 2);
    const toRight = gradRight + (label << 2);
    store<f32>(toLeft, load<f32>(toLeft) - w * (1 - t));
    store<f32>(toRight, load<f32>(toRight) - w * t);
  }
  const w0 = v128.load(weights);
  const w1 = v128.load(weights, 16);
  const one = f32x4.splat(1);
  let spreadLeft = f32x4.splat(0);
  let spreadRight = spreadLeft;
  if (a.smoothing > 0) {
    const each = f32x4.splat(a.smoothing / (classes as f32));
    let all0 = f32x4.splat(0);
    let all1 = all0;
    for (let at = z; at < zEnd; at += 32) {
      all0 = f32x4.add(all0, v128.load(at));
      all1 = f32x4.add(all1, v128.load(at, 16));
    }
    v128.store(labelLogits, madd(each, all0, v128.load(labelLogits)));
    v128.store(labelLogits, madd(each, all1, v128.load(labelLogits, 16)), 16);
    const toRight = f32x4.add(f32x4.mul(w0, t0), f32x4.mul(w1, t1));
    const toLeft = f32x4.sub(f32x4.add(w0, w1), toRight);
    spreadLeft = f32x4.mul(each, laneSums(toLeft, toLeft, toLeft, toLeft));
    spreadRight = f32x4.mul(each, laneSums(toRight, toRight, toRight, toRight));
  }
  const loss0 = f32x4.sub(f32x4.add(max0, log4(sum0)), v128.load(labelLogits));
  const loss1 = f32x4.sub(f32x4.add(max1, log4(sum1)), v128.load(labelLogits, 16));
  addTo64(
    changetype<usize>(local) + offsetof<Local>('lossSum'),
    f32x4.add(f32x4.mul(w0, loss0), f32x4.mul(w1, loss1)),
  );
  addTo64(changetype<usize>(local) + offsetof<Local>('weightSum'), f32x4.add(w0, w1));

  const p0 = f32x4.div(w0, sum0);
  const p1 = f32x4.div(w1, sum1);
  const right0 = f32x4.mul(p0, t0);
  const right1 = f32x4.mul(p1, t1);
  const left0 = f32x4.mul(p0, f32x4.sub(one, t0));
  const left1 = f32x4.mul(p1, f32x4.sub(one, t1));
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
  const z = local + offsetof<Local>();
  const e = z + (padded << 5);
  const values = e + (padded << 5);
  const gradients = values + row;
  let upper = gradients + row;
  let lower = upper + row;
  memory.fill(local, 0, offsetof<Local>() + (padded << 6));
  memory.fill(upper, 0, row);
  for (let r = first; r < last; r++) {
    memory.fill(lower, 0, row);
    const hasBelow = r + 1 < t.coarseHeight;
    const top = a.logits + (((image * t.coarseHeight + r) * width) as usize) * a.logitsStride;
    const bottom = hasBelow ? top + (width as usize) * a.logitsStride : top;
    for (let i = startAt(t.rowStarts, r), until = startAt(t.rowStarts, r + 1); i < until; i++) {
      const v = fractionAt(t.rowFractions, i);
      lerpRow(top, bottom, a.logitsStride, v, width, classes, values, pixel);
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
            labels + (x as usize) * a.labelsStride,
            t.columnFractions + ((x as usize) << 2),
            values + left,
            values + right,
            gradients + left,
            gradients + right,
            state,
            z,
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
