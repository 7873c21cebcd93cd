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

/** A partial sum of squares per chunk. */
export function guardSquares(a: GuardArgs, chunk: i32, local: usize): void {
  const last = a.elements.last(chunk);
  let sum: f64 = 0;
  for (let i = a.elements.first(chunk); i < last; i++) {
    const g = load<f32>(a.grad + ((i as usize) << 2)) as f64;
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
