/**
 * Which register blocks run. All kernels are written in 128 bits, and for every number any block does the same operations in
 * the same order. Both are set from outside, per instance, before the first kernel.
 */

/**
 * True where V8 merges adjacent 128-bit operations into 256-bit ones (`runtime/wide.ts`), so that blocks of 16 outputs
 * instead of 8 fit the registers.
 */
// biome-ignore lint/style/useConst: set from outside
export let wide: bool = false;

/**
 * Whether blocks take 6 pixels instead of 4. Eight sums, in vectors, are just what two multipliers of four cycles need: where
 * these share their ports with the arithmetic of addresses (Intel), twelve lose fewer turns. V8 before 13 has no registers for
 * them.
 */
// biome-ignore lint/style/useConst: set from outside
export let tall: bool = false;

/**
 * How many of `pixels` go by six, so that none or few are computed in vain when the rest goes by four: 16 = 12 + 4,
 * 32 = 24 + 4 + 4.
 */
// @ts-ignore: decorator
@inline
export function inSixes(pixels: i32): i32 {
  const rest = pixels % 6;
  const fours = rest == 0 || rest == 5 ? 0 : rest > 2 || pixels < 8 ? 4 : 8;
  return ((pixels + 5 - fours) / 6) * 6;
}
