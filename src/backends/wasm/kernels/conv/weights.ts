/**
 * Where packed weights lie: `[block of 8 outputs][input][8]`. In 256 bits, where they are few, blocks come in pairs,
 * `[pair][input][16]`: what 16 outputs take is one run with one pointer; the last block of an odd number is by itself. Where
 * weights come from far away, two runs are fetched ahead better than one.
 */
import { wide } from '../width';

/** Of 8 outputs, at most, for a pair. */
const mostPaired: usize = 4096;
/** Of all outputs, so that they stay near: pairs whatever the inputs. */
const mostNear: usize = 98304;

/** Whether 16 outputs have one run; `bytes`: of the weights of 8 outputs, of `octs` times 8. */
// @ts-ignore: decorator
@inline
export function arePaired(octs: i32, bytes: usize): bool {
  return wide && (bytes <= mostPaired || (octs as usize) * bytes <= mostNear);
}

// @ts-ignore: decorator
@inline
function isPaired(oct: i32, octs: i32, bytes: usize): bool {
  return arePaired(octs, bytes) && (oct | 1) < octs;
}

/** Bytes from the first weight of all to that of block `oct` of `octs`. */
// @ts-ignore: decorator
@inline
export function weightsOffset(oct: i32, octs: i32, bytes: usize): usize {
  if (isPaired(oct, octs, bytes)) return ((oct & ~1) as usize) * bytes + ((oct & 1) << 5);
  return (oct as usize) * bytes;
}

/** Bytes from an input's weights to those of the next. */
// @ts-ignore: decorator
@inline
export function weightsStep(oct: i32, octs: i32, bytes: usize): usize {
  return isPaired(oct, octs, bytes) ? 64 : 32;
}

/** Bytes from the weights of 8 outputs to those of the next 8, of one pair. */
// @ts-ignore: decorator
@inline
export function secondOffset(octs: i32, bytes: usize): usize {
  return arePaired(octs, bytes) ? 32 : bytes;
}
