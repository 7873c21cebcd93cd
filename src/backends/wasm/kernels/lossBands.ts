import { Axes } from './axes';

/** What all losses share: sums by chunk, and what becomes of them. */
@unmanaged
export class LossSums {
  /** The mean loss and `Σ w`. */
  loss: usize;
  /** Per chunk two float64: `Σ w·loss` and `Σ w`. */
  partials: usize;
  chunks: i32;
  /** What gradients are multiplied by in the end: `1/Σw`. */
  inverse: usize;
}

/**
 * What losses of coarse logits share: their gradient goes to bands of coarse rows, one chunk each; what a band sends to
 * the first row of the next waits in `below` until all bands are done.
 */
@unmanaged
export class LossBands {
  glogits: usize;
  glogitsStride: usize;
  classes: i32;
  images: i32;
  bandRows: i32;
  bands: i32;
  /** Per chunk a row of gradients for the coarse row below the band. */
  below: usize;
  belowBytes: usize;
  sums: LossSums;
  /** Coarse rows per chunk of the last stage. */
  scaleRows: i32;
}

/** Fills channels up to whole vectors with the first one, which changes neither largest nor smallest. */
// @ts-ignore: decorator
@inline
export function padChannels(row: usize, width: i32, classes: usize, padded: usize): void {
  for (let i = 0; i < width; i++) {
    for (let c = classes; c < padded; c++) store<f32>(row + (c << 2), load<f32>(row));
    row += padded << 2;
  }
}

// @ts-ignore: decorator
@inline
export function copyRow(from: usize, fromStride: usize, to: usize, toStride: usize, width: i32, bytes: usize): void {
  for (let i = 0; i < width; i++) {
    for (let c: usize = 0; c < bytes; c += 4) store<f32>(to + c, load<f32>(from + c));
    from += fromStride;
    to += toStride;
  }
}

/** The mean loss, `Σ w` and its inverse. */
export function joinSums(a: LossSums): void {
  let loss: f64 = 0;
  let weight: f64 = 0;
  let at = a.partials;
  for (let i = 0; i < a.chunks; i++) {
    loss += load<f64>(at);
    weight += load<f64>(at, 8);
    at += 16;
  }
  const inverse: f64 = weight > 0 ? 1 / weight : 0;
  store<f32>(a.loss, (loss * inverse) as f32);
  store<f32>(a.loss, weight as f32, 4);
  store<f32>(a.inverse, inverse as f32);
}

/** Adds what the band above left for its first row below, and multiplies by `inverse`. */
export function scaleBands(a: LossBands, t: Axes, chunk: i32): void {
  const width = t.coarseWidth;
  const end = (a.classes as usize) << 2;
  const pixel = (end + 15) & ~15;
  const inverse = load<f32>(a.sums.inverse);
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
