import type { Placed, TensorRef } from '../../graph/planned.js';
import type { ConvAttrs } from '../../ops/conv.js';
import type { Normalization, Prologue } from '../../ops/op.js';
import type { Arena } from './arena.js';
import { View, vectorOf } from './arena.js';

/** A byte of channel `c` of an image as a number. */
export const normalized = (byte: number, c: number, { mean, std }: Normalization): number =>
  (byte / 255 - mean[c]) / std[c];

/** `x̂`: dense, normalised where `x` is an image, then `prelu(scale·x + shift)`. */
export function applyPrologue(
  arena: Arena,
  inputs: Placed<Prologue> & { readonly x: TensorRef },
  normalize?: ConvAttrs['normalize'],
): Float64Array {
  const x = new View(arena, inputs.x).dense();
  const channels = inputs.x.shape[3];
  const scale = vectorOf(arena, inputs.preScale, channels, 1);
  const shift = vectorOf(arena, inputs.preShift, channels, 0);
  const slope = vectorOf(arena, inputs.preSlope, channels, 1);
  for (let i = 0; i < x.length; i++) {
    const c = i % channels;
    if (normalize) x[i] = normalized(x[i], c, normalize);
    const z = scale[c] * x[i] + shift[c];
    x[i] = z > 0 ? z : slope[c] * z;
  }
  return x;
}
