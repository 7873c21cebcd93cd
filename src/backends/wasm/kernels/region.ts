import { Axes, cellOf, fractionAt, startAt } from './axes';
import { EightPixels, exponentials } from './exponentials';
import { LossBands } from './lossBands';
import { lerpRow } from './rows';
import { Span } from './span';

/** Losses over whole classes: errors of all pixels are counted per class and bin, and each bin gets its weight. */
@unmanaged
class RegionArgs {
  logits: usize;
  logitsStride: usize;
  labels: usize;
  labelsStride: usize;
  ignore: i32;
  /** Of errors per class: `binOf` of `ops/lovasz.ts`, or one. */
  bins: i32;
  /** Per chunk, class and bin: pixels of the class, others (u32), the sums of their errors (f64). */
  statistics: usize;
  statisticsBytes: usize;
  chunks: i32;
  /** Fine rows of all images. */
  rows: Span;
  /** Per class and bin: `∂loss/∂p` of a pixel of the class, and of others (f32). */
  table: usize;
  out: LossBands;
  axes: Axes;
}

/** Bytes of one class and bin in the statistics. */
export const binBytes: i32 = 24;

/** The label of a pixel, or −1. */
// @ts-ignore: decorator
@inline
export function labelOf(at: usize, ignore: i32, classes: i32): i32 {
  const label = load<u8>(at) as i32;
  return label == ignore || label >= classes ? -1 : label;
}

/** Sum of the exponentials of the other classes; `1 − p` keeps its digits near zero that way. */
// @ts-ignore: decorator
@inline
export function restOf(e: usize, classes: i32, label: i32): f32 {
  let rest: f32 = 0;
  for (let c = 0; c < classes; c++) {
    if (c != label) rest += load<f32>(e + ((c as usize) << 5));
  }
  return rest;
}

/** The bin of an error: `⌊bins·√error⌋`. */
// @ts-ignore: decorator
@inline
export function binOf(error: f32, bins: i32): i32 {
  if (bins == 1) return 0;
  return min(bins - 1, ((bins as f32) * sqrt<f32>(error)) as i32);
}

/** Errors of a chunk of fine rows. */
export function regionErrors(a: RegionArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const classes = a.out.classes;
  const pixel = (((classes + 3) & ~3) as usize) << 2;
  const width = t.coarseWidth;
  const coarseRow = (width as usize) * a.logitsStride;
  const state = changetype<EightPixels>(local);
  const e = local + offsetof<EightPixels>();
  const values = e + ((pixel as usize) << 3);
  const to = a.statistics + (chunk as usize) * a.statisticsBytes;
  memory.fill(to, 0, a.statisticsBytes);
  const last = a.rows.last(chunk);
  for (let row = a.rows.first(chunk); row < last; row++) {
    const i = row % t.fineHeight;
    const r = cellOf(t.rowStarts, t.coarseHeight, i);
    const top = a.logits + (((row / t.fineHeight) * t.coarseHeight + r) as usize) * coarseRow;
    const bottom = r + 1 < t.coarseHeight ? top + coarseRow : top;
    lerpRow(top, bottom, a.logitsStride, fractionAt(t.rowFractions, i), width, classes as usize, values, pixel);
    const labels = a.labels + ((row * t.fineWidth) as usize) * a.labelsStride;
    for (let q = 0; q < width; q++) {
      const left = values + (q as usize) * pixel;
      const right = q + 1 < width ? left + pixel : left;
      const stop = startAt(t.columnStarts, q + 1);
      for (let x = startAt(t.columnStarts, q); x < stop; x += 8) {
        exponentials(classes as usize, left, right, t.columnFractions + ((x as usize) << 2), state, e);
        for (let j = 0, count = min(8, stop - x); j < count; j++) {
          const label = labelOf(labels + ((x + j) as usize) * a.labelsStride, a.ignore, classes);
          if (label >= 0) countPixel(a, label, e + ((j as usize) << 2), to);
        }
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function countPixel(a: RegionArgs, label: i32, e: usize, to: usize): void {
  const classes = a.out.classes;
  const rest = restOf(e, classes, label);
  const own = load<f32>(e + ((label as usize) << 5));
  const inverse: f32 = 1 / (rest + own);
  for (let c = 0; c < classes; c++) {
    const mine = c == label;
    const error: f32 = (mine ? rest : load<f32>(e + ((c as usize) << 5))) * inverse;
    const at = to + ((c * a.bins + binOf(error, a.bins)) as usize) * binBytes;
    const count = mine ? at : at + 4;
    const sum = mine ? at + 8 : at + 16;
    store<u32>(count, load<u32>(count) + 1);
    store<f64>(sum, load<f64>(sum) + (error as f64));
  }
}

/** All chunks' statistics, added in their order to those of the first. */
function addChunks(a: RegionArgs): void {
  for (let chunk = 1; chunk < a.chunks; chunk++) {
    let from = a.statistics + (chunk as usize) * a.statisticsBytes;
    let to = a.statistics;
    for (let i = 0, count = a.out.classes * a.bins; i < count; i++) {
      store<u32>(to, load<u32>(to) + load<u32>(from));
      store<u32>(to, load<u32>(to, 4) + load<u32>(from, 4), 4);
      store<f64>(to, load<f64>(to, 8) + load<f64>(from, 8), 8);
      store<f64>(to, load<f64>(to, 16) + load<f64>(from, 16), 16);
      from += binBytes;
      to += binBytes;
    }
  }
}

/** Pixels of a class. */
function pixelsOf(a: RegionArgs, c: i32): f64 {
  let count: f64 = 0;
  let at = a.statistics + ((c * a.bins) as usize) * binBytes;
  for (let bin = 0; bin < a.bins; bin++) {
    count += load<u32>(at) as f64;
    at += binBytes;
  }
  return count;
}

/** Classes that some label has. */
function presentOf(a: RegionArgs): f64 {
  let present: f64 = 0;
  for (let c = 0; c < a.out.classes; c++) {
    if (pixelsOf(a, c) > 0) present += 1;
  }
  return present;
}

function finish(a: RegionArgs, loss: f64): void {
  let pixels: f64 = 0;
  for (let c = 0; c < a.out.classes; c++) pixels += pixelsOf(a, c);
  store<f32>(a.out.sums.loss, loss as f32);
  store<f32>(a.out.sums.loss, pixels as f32, 4);
  // The table holds the gradient of the mean already.
  store<f32>(a.out.sums.inverse, 1);
}

// @ts-ignore: decorator
@inline
function setWeights(a: RegionArgs, c: i32, bin: i32, own: f64, other: f64): void {
  const to = a.table + (((c * a.bins + bin) as usize) << 3);
  store<f32>(to, own as f32);
  store<f32>(to, other as f32, 4);
}

/** Soft Dice loss of all classes, see `ops/dice.ts`. */
export function diceTable(a: RegionArgs, chunk: i32, local: usize): void {
  addChunks(a);
  const present = presentOf(a);
  let loss: f64 = 0;
  for (let c = 0; c < a.out.classes; c++) {
    const at = a.statistics + (c as usize) * binBytes;
    const count = load<u32>(at) as f64;
    const hit = count - load<f64>(at, 8);
    const both = count + hit + load<f64>(at, 16);
    const each = count > 0 ? 1 / (present * both) : 0;
    const share = count > 0 ? hit / both : 0;
    if (count > 0) loss += (1 - 2 * share) / present;
    setWeights(a, c, 0, 2 * each * (share - 1), 2 * each * share);
  }
  finish(a, loss);
}

/** Lovász-softmax of all classes, see `ops/lovasz.ts`. */
export function lovaszTable(a: RegionArgs, chunk: i32, local: usize): void {
  addChunks(a);
  const present = presentOf(a);
  let loss: f64 = 0;
  for (let c = 0; c < a.out.classes; c++) {
    let hit = pixelsOf(a, c);
    let missed = hit;
    for (let bin = a.bins - 1; bin >= 0; bin--) {
      if (missed == 0) {
        setWeights(a, c, bin, 0, 0);
        continue;
      }
      const at = a.statistics + ((c * a.bins + bin) as usize) * binBytes;
      const f = load<u32>(at) as f64;
      const b = load<u32>(at, 4) as f64;
      const own = (1 / missed + 1 / (missed + b)) / (2 * present);
      const other = (hit - f / 2) / (missed * (missed + b) * present);
      loss += own * load<f64>(at, 8) + other * load<f64>(at, 16);
      setWeights(a, c, bin, -own, other);
      hit -= f;
      missed += b;
    }
  }
  finish(a, loss);
}
