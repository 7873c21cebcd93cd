import { upper } from './lanes';
import { Span } from './span';
import { Floats } from './tables';

@unmanaged
class GuardArgs {
  grad: usize;
  newGrad: usize;
  hyper: usize;
  newHyper: usize;
  norm: usize;
  /** What stands in for `hyper`. */
  still: Floats;
  hyperLength: i32;
  elements: Span;
  /** Float64, one per chunk. */
  partials: usize;
  chunks: i32;
}

/** `sum + v²` of the lower two lanes. */
// @ts-ignore: decorator
@inline
function addSquares(sum: v128, v: v128): v128 {
  const wide = f64x2.promote_low_f32x4(v);
  return f64x2.add(sum, f64x2.mul(wide, wide));
}

/** A partial sum of squares per chunk: eight sums, as each addition to one waits for the last. */
export function guardSquares(a: GuardArgs, chunk: i32, local: usize): void {
  let at = a.grad + ((a.elements.first(chunk) as usize) << 2);
  const end = a.grad + ((a.elements.last(chunk) as usize) << 2);
  let s0 = f64x2.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (; at + 32 <= end; at += 32) {
    const low = v128.load(at);
    const high = v128.load(at, 16);
    s0 = addSquares(s0, low);
    s1 = addSquares(s1, upper(low));
    s2 = addSquares(s2, high);
    s3 = addSquares(s3, upper(high));
  }
  const all = f64x2.add(f64x2.add(s0, s1), f64x2.add(s2, s3));
  let sum: f64 = f64x2.extract_lane(all, 0) + f64x2.extract_lane(all, 1);
  for (; at < end; at += 4) {
    const g = load<f32>(at) as f64;
    sum += g * g;
  }
  store<f64>(a.partials + ((chunk as usize) << 3), sum);
}

/** The norm, and the vector that the update reads. */
export function guardNorm(a: GuardArgs, chunk: i32, local: usize): void {
  let sum: f64 = 0;
  for (let i = 0; i < a.chunks; i++) sum += load<f64>(a.partials + ((i as usize) << 3));
  const norm = sqrt<f64>(sum) as f32;
  store<f32>(a.norm, norm);
  const finite = norm <= f32.MAX_VALUE;
  for (let i = 0; i < a.hyperLength; i++) {
    const at = (i as usize) << 2;
    store<f32>(a.newHyper + at, finite ? load<f32>(a.hyper + at) : load<f32>(a.still + at));
  }
}

/** The gradient that the update reads. */
export function guardGrad(a: GuardArgs, chunk: i32, local: usize): void {
  const first = (a.elements.first(chunk) as usize) << 2;
  const bytes = ((a.elements.last(chunk) as usize) << 2) - first;
  if (!(load<f32>(a.norm) <= f32.MAX_VALUE)) memory.fill(a.newGrad + first, 0, bytes);
  else if (a.grad != a.newGrad) memory.copy(a.newGrad + first, a.grad + first, bytes);
}
