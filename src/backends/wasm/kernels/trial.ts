/** A product of matrices by itself: whether 256 bits give what 128 do is tried on it (`runtime/wide.ts`). */
import { multiplyPlanes } from './conv/gemm';
import { Ints } from './tables';

@unmanaged
class TrialArgs {
  /** Planes of inputs, and where their quads lie. */
  a: usize;
  quads: i32;
  table: Ints;
  weights: usize;
  octs: i32;
  pixels: i32;
  out: usize;
}

export function multiplyTrial(a: TrialArgs, chunk: i32, local: usize): void {
  multiplyPlanes(a.table, a.quads, a.a, a.weights, a.octs, a.octs, a.pixels, a.out);
}
