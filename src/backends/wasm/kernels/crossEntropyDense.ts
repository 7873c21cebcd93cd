/** Cross-entropy where the logits have the labels' size: every pixel has logits of its own. */
import { laneMask } from './conv/input';
import { storeLanes } from './conv/output';
import { exp4From, expLogBytes, log4From, storeExpLog } from './explog';
import { laneSum } from './exponentials';
import { largestLane, madd } from './lanes';
import { joinSums, LossSums } from './lossBands';
import { Span } from './span';

@unmanaged
class CrossEntropyDenseArgs {
  logits: usize;
  logitsStride: usize;
  labels: usize;
  labelsStride: usize;
  /** 0: all ones. */
  classWeights: usize;
  ignore: i32;
  smoothing: f32;
  /** Of all images. */
  pixels: Span;
  glogits: usize;
  glogitsStride: usize;
  classes: i32;
  sums: LossSums;
}

/** `Σ w` of a chunk's pixels, with a loss of zero so far. */
export function crossEntropyWeights(a: CrossEntropyDenseArgs, chunk: i32, local: usize): void {
  const classes = a.classes;
  let sum: f64 = 0;
  for (let pixel = a.pixels.first(chunk), last = a.pixels.last(chunk); pixel < last; pixel++) {
    const label = load<u8>(a.labels + (pixel as usize) * a.labelsStride) as i32;
    if (label == a.ignore || label >= classes) continue;
    sum += a.classWeights ? (load<f32>(a.classWeights + ((label as usize) << 2)) as f64) : 1;
  }
  const to = a.sums.partials + ((chunk as usize) << 4);
  store<f64>(to, 0);
  store<f64>(to, sum, 8);
}

/** The sums of all chunks, and the inverse of `Σ w`: before the pixels for their gradients, and after them for the loss. */
export function crossEntropyDenseJoin(a: CrossEntropyDenseArgs, chunk: i32, local: usize): void {
  joinSums(a.sums);
}

/** The loss, and its gradient `w/Σw · (p − target)`. Lanes are classes. */
export function crossEntropyDense(a: CrossEntropyDenseArgs, chunk: i32, local: usize): void {
  const classes = a.classes;
  const whole = ((classes & ~3) << 2) as usize;
  const rest = classes & 3;
  const mask = laneMask(rest);
  const zero = f32x4.splat(0);
  const table = local;
  const e = local + expLogBytes;
  const inverse = load<f32>(a.sums.inverse);
  const hit: f32 = (1 as f32) - a.smoothing;
  const each = a.smoothing / (classes as f32);
  storeExpLog(table);
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  let z = a.logits + (first as usize) * a.logitsStride;
  let g = a.glogits + (first as usize) * a.glogitsStride;
  let lossSum: f64 = 0;
  for (let pixel = first; pixel < last; pixel++) {
    const label = load<u8>(a.labels + (pixel as usize) * a.labelsStride) as i32;
    if (label == a.ignore || label >= classes) {
      for (let c: usize = 0; c < whole; c += 16) v128.store(g + c, zero);
      if (rest) storeLanes(g + whole, zero, rest);
    } else {
      const own = (label as usize) << 2;
      const w: f32 = a.classWeights ? load<f32>(a.classWeights + own) : 1;
      // Lanes past the last class may hold anything, and count as the first class.
      const start = v128.load32_splat(z);
      const end = rest ? v128.bitselect(v128.load(z + whole), start, mask) : start;
      let most = end;
      for (let c: usize = 0; c < whole; c += 16) most = f32x4.pmax(most, v128.load(z + c));
      const top = largestLane(most);
      const top4 = f32x4.splat(top);
      const endPower = rest ? v128.and(exp4From(f32x4.sub(end, top4), table), mask) : zero;
      let sum = endPower;
      for (let c: usize = 0; c < whole; c += 16) {
        const power = exp4From(f32x4.sub(v128.load(z + c), top4), table);
        v128.store(e + c, power);
        sum = f32x4.add(sum, power);
      }
      const total = laneSum(sum);
      let target: f32 = hit * load<f32>(z + own);
      if (each > 0) {
        let all = v128.and(end, mask);
        for (let c: usize = 0; c < whole; c += 16) all = f32x4.add(all, v128.load(z + c));
        target += each * laneSum(all);
      }
      const loss: f32 = top + f32x4.extract_lane(log4From(f32x4.splat(total), table), 0) - target;
      lossSum += (w as f64) * (loss as f64);
      const scaled: f32 = w * inverse;
      const scale = f32x4.splat(scaled / total);
      const spread = f32x4.splat(-scaled * each);
      for (let c: usize = 0; c < whole; c += 16) v128.store(g + c, madd(v128.load(e + c), scale, spread));
      if (rest) storeLanes(g + whole, madd(endPower, scale, spread), rest);
      store<f32>(g + own, load<f32>(g + own) - hit * scaled);
    }
    z += a.logitsStride;
    g += a.glogitsStride;
  }
  store<f64>(a.sums.partials + ((chunk as usize) << 4), lossSum);
}
