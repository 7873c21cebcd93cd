/**
 * Which register blocks run: true where V8 merges adjacent 128-bit operations into 256-bit ones (`runtime/wide.ts`), so
 * that blocks of twice the size fit the registers. All kernels are written in 128 bits, and for every number either
 * block does the same operations in the same order. Set from outside, per instance, before the first kernel.
 */
// biome-ignore lint/style/useConst: set from outside
export let wide: bool = false;
