import { Axes, fractionAt, startAt } from './axes';
import { exp4 } from './explog';
import { madd } from './lanes';
import { lerpRow } from './rows';
import { Span } from './span';

@unmanaged
class OhemArgs {
  logits: usize;
  logitsStride: usize;
  labels: usize;
  labelsStride: usize;
  /** First the hardness of every pixel, in the end the labels that stay. */
  hard: usize;
  hardStride: usize;
  classes: i32;
  images: i32;
  ignore: i32;
  bandRows: i32;
  bands: i32;
  /** Per chunk 256 counts of u32. */
  counts: usize;
  /** The hardness from which pixels stay. */
  cut: usize;
  /** Hardness of the threshold. */
  threshold: i32;
  least: f32;
  pixels: Span;
  axes: Axes;
}

/** Hardness `⌊255·(1 − p)^¼⌋` of the pixels of a band of rows, 255 where there is no label, and how often each occurs. */
export function hardness(a: OhemArgs, chunk: i32, local: usize): void {
  const t = a.axes;
  const width = t.coarseWidth;
  const pixel = (((a.classes + 3) & ~3) as usize) << 2;
  const coarseRow = (width as usize) * a.logitsStride;
  const image = chunk / a.bands;
  const first = (chunk % a.bands) * a.bandRows;
  const last = min(first + a.bandRows, t.fineHeight);
  const counts = a.counts + ((chunk as usize) << 10);
  memory.fill(counts, 0, 1024);
  let r = 0;
  for (let i = first; i < last; i++) {
    while (r + 1 < t.coarseHeight && startAt(t.rowStarts, r + 1) <= i) r++;
    const top = a.logits + ((image * t.coarseHeight + r) as usize) * coarseRow;
    const bottom = r + 1 < t.coarseHeight ? top + coarseRow : top;
    lerpRow(top, bottom, a.logitsStride, fractionAt(t.rowFractions, i), width, a.classes as usize, local, pixel);
    const row = ((image * t.fineHeight + i) as usize) * (t.fineWidth as usize);
    for (let q = 0; q < width; q++) {
      const left = local + (q as usize) * pixel;
      const right = q + 1 < width ? left + pixel : left;
      const stop = startAt(t.columnStarts, q + 1);
      for (let x = startAt(t.columnStarts, q); x < stop; x += 4) {
        const at = row + (x as usize);
        fourPixels(a, min(4, stop - x), at, t.columnFractions + ((x as usize) << 2), left, right, counts);
      }
    }
  }
}

/** Up to four neighbouring pixels between two coarse columns; lanes are pixels. */
function fourPixels(
  a: OhemArgs,
  count: i32,
  at: usize,
  fractions: usize,
  left: usize,
  right: usize,
  counts: usize,
): void {
  const end = (a.classes as usize) << 2;
  const t = v128.load(fractions);
  let labels = i32x4.splat(-1);
  for (let j = 0; j < count; j++) {
    const label = load<u8>(a.labels + (at + (j as usize)) * a.labelsStride) as i32;
    if (label == a.ignore || label >= a.classes) continue;
    if (j == 0) labels = i32x4.replace_lane(labels, 0, label);
    else if (j == 1) labels = i32x4.replace_lane(labels, 1, label);
    else if (j == 2) labels = i32x4.replace_lane(labels, 2, label);
    else labels = i32x4.replace_lane(labels, 3, label);
  }
  let high = f32x4.splat(-Infinity);
  for (let c: usize = 0; c < end; c += 4) {
    const from = v128.load32_splat(left + c);
    high = f32x4.pmax(high, madd(t, f32x4.sub(v128.load32_splat(right + c), from), from));
  }
  // The own class is left out of the sum, not subtracted: 1 − p keeps its digits near zero.
  let rest = f32x4.splat(0);
  let own = rest;
  for (let c: usize = 0; c < end; c += 4) {
    const from = v128.load32_splat(left + c);
    const z = madd(t, f32x4.sub(v128.load32_splat(right + c), from), from);
    const e = exp4(f32x4.sub(z, high));
    const mine = i32x4.eq(labels, i32x4.splat((c >> 2) as i32));
    rest = f32x4.add(rest, v128.andnot(e, mine));
    own = f32x4.add(own, v128.and(e, mine));
  }
  const share = f32x4.div(rest, f32x4.add(rest, own));
  const steps = f32x4.mul(f32x4.splat(255), f32x4.sqrt(f32x4.sqrt(share)));
  const labelled = i32x4.ge_s(labels, i32x4.splat(0));
  const bytes = v128.bitselect(
    i32x4.min_s(i32x4.trunc_sat_f32x4_s(steps), i32x4.splat(254)),
    i32x4.splat(255),
    labelled,
  );
  const to = a.hard + at * a.hardStride;
  put(counts, to, i32x4.extract_lane(bytes, 0));
  if (count > 1) put(counts, to + a.hardStride, i32x4.extract_lane(bytes, 1));
  if (count > 2) put(counts, to + 2 * a.hardStride, i32x4.extract_lane(bytes, 2));
  if (count > 3) put(counts, to + 3 * a.hardStride, i32x4.extract_lane(bytes, 3));
}

// @ts-ignore: decorator
@inline
function put(counts: usize, to: usize, byte: i32): void {
  store<u8>(to, byte as u8);
  const count = counts + ((byte as usize) << 2);
  store<u32>(count, load<u32>(count) + 1);
}

/** The hardness from which pixels stay: that of the threshold, or a lower one that keeps enough. */
export function hardnessCut(a: OhemArgs, chunk: i32, local: usize): void {
  const chunks = a.images * a.bands;
  const unlabelled = total(a.counts, chunks, 255);
  const wanted = ceil<f32>(a.least * ((a.pixels.count - (unlabelled as i32)) as f32)) as i32;
  let cut = 254;
  let kept = total(a.counts, chunks, cut) as i32;
  while (cut > 0 && (cut > a.threshold || kept < wanted)) {
    cut--;
    kept += total(a.counts, chunks, cut) as i32;
  }
  store<i32>(a.cut, cut);
}

function total(counts: usize, chunks: i32, byte: usize): u32 {
  let sum: u32 = 0;
  for (let i = 0; i < chunks; i++) sum += load<u32>(counts + ((i as usize) << 10) + (byte << 2));
  return sum;
}

/** Labels of the hard pixels; the others become `ignore`. */
export function keepHard(a: OhemArgs, chunk: i32, local: usize): void {
  const first = a.pixels.first(chunk);
  const last = a.pixels.last(chunk);
  const cut = load<i32>(a.cut) as u32;
  for (let i = first; i < last; i++) {
    const at = a.hard + (i as usize) * a.hardStride;
    const byte = load<u8>(at) as u32;
    const label = load<u8>(a.labels + (i as usize) * a.labelsStride);
    store<u8>(at, byte != 255 && byte >= cut ? label : (a.ignore as u8));
  }
}
