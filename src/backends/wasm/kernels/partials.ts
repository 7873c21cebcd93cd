import { storeBoth, upper } from './lanes';

/**
 * Sums over pixels: float32 registers over runs of `runPixels` pixels, then float64 partial sums, one block of them
 * per chunk. Short runs keep the rounding near that of one addition.
 */
export const runPixels: i32 = 64;

/** Adds the four lanes of `v` to four float64 at `to`. */
// @ts-ignore: decorator
@inline
export function addTo64(to: usize, v: v128): void {
  storeBoth(
    to,
    f64x2.add(v128.load(to), f64x2.promote_low_f32x4(v)),
    f64x2.add(v128.load(to, 16), f64x2.promote_low_f32x4(upper(v))),
  );
}

/**
 * The same of two vectors that lie next to each other, by way of `spare`: V8 merges pairs that are stored, not pairs that are
 * converted.
 */
// @ts-ignore: decorator
@inline
export function addBothTo64(to: usize, low: v128, high: v128, spare: usize): void {
  storeBoth(spare, low, high);
  addTo64(to, v128.load(spare));
  addTo64(to + 32, v128.load(spare, 16));
}

// @ts-ignore: decorator
@inline
export function addTo64Scalar(to: usize, v: f32): void {
  store<f64>(to, load<f64>(to) + (v as f64));
}

@unmanaged
class SumPartialsArgs {
  partials: usize;
  /** Bytes from one chunk's block to the next. */
  blockBytes: usize;
  blocks: i32;
  count: i32;
  /** float32 results. */
  sum: usize;
}

/** `sum[i] = Σ partials[block][i]` in the order of the blocks. */
export function sumPartials(a: SumPartialsArgs, chunk: i32, local: usize): void {
  for (let i = 0; i < a.count; i++) {
    let sum: f64 = 0;
    let at = a.partials + ((i as usize) << 3);
    for (let block = 0; block < a.blocks; block++) {
      sum += load<f64>(at);
      at += a.blockBytes;
    }
    store<f32>(a.sum + ((i as usize) << 2), sum as f32);
  }
}
