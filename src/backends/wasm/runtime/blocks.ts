/** Which register blocks kernels multiply in (`kernels/width.ts`); the results are the same. */
export interface Blocks {
  /** Whether modules are compiled to vectors of 256 bits. */
  readonly wide: boolean;
  /** Whether blocks have six pixels instead of four. */
  readonly tall: boolean;
}

/** Tells an instance of the kernels, before the first of them runs. */
export function useBlocks(exports: WebAssembly.Exports, { wide, tall }: Blocks): void {
  (exports.wide as WebAssembly.Global).value = wide ? 1 : 0;
  (exports.tall as WebAssembly.Global).value = tall ? 1 : 0;
}
