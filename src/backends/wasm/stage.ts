import type { CallFor, TensorRef } from '../../graph/planned.js';
import { elementBytes } from '../../ir/value.js';
import type { KernelName } from '../../ops/index.js';

/** Address of the arena in the module's memory; below it lies what the threads synchronise with. */
export const arenaBase = 65536;

/** A float32 argument; plain numbers are 32-bit integers and addresses. */
export interface Float {
  readonly f32: number;
}
export type Word = number | Float;

export const f32 = (value: number): Float => ({ f32: value });

/**
 * One parallel loop: `kernel(args, chunk, local)` for every chunk in `[0, chunks)`, in any order and on any thread.
 * All chunks of a stage are done before the next stage begins.
 *
 * `chunks` must follow from shapes alone, and a chunk must write what no other chunk of the stage touches: sums go
 * to one place per chunk and a later stage adds them in chunk order. Then results do not depend on the threads.
 */
export interface Stage {
  /** Name of the function that `kernels/index.ts` exports. */
  readonly kernel: string;
  readonly chunks: number;
  /** What `args` points to, in the order of the kernel's `@unmanaged` argument class. */
  readonly args: readonly Word[];
  /** Bytes behind `local`, private to the thread, undefined at the start of a chunk. Default 0. */
  readonly localBytes?: number;
}

/** How a call of one op becomes stages. */
export interface WasmKernel<K extends KernelName> {
  /** Bytes of `call.scratch`, from shapes alone (offsets are not yet known). Default 0. */
  scratchBytes?(call: CallFor<K>): number;
  lower(call: CallFor<K>): Stage[];
}

/** Address of a tensor's first element; 0 where an optional tensor is absent. */
export const pointer = (ref: TensorRef | undefined): number => (ref ? arenaBase + ref.offset : 0);

/** Address of a call's scratch memory. */
export const scratchPointer = (call: { readonly scratch: { readonly offset: number } }): number =>
  arenaBase + call.scratch.offset;

/** Address and pixel stride in bytes, the pair most kernels take; zeros where an optional tensor is absent. */
export const strided = (ref: TensorRef | undefined): [address: number, strideBytes: number] =>
  ref ? [pointer(ref), ref.pixelStride * elementBytes[ref.dtype]] : [0, 0];

/** Pixels of a tensor: `N·H·W`. */
export const pixelsOf = (ref: TensorRef): number => ref.shape[0] * ref.shape[1] * ref.shape[2];

/** `count` items cut into pieces of `per` items, the last one possibly smaller. */
export interface Pieces {
  readonly per: number;
  readonly chunks: number;
}

/**
 * Cuts `count` items into at most `most` chunks of at least `least` items.
 * `least`: enough work to pay for taking a chunk (some 20 µs); `most`: enough for many threads to share evenly.
 */
export const cut = (count: number, least: number, most = 64): Pieces => {
  const per = Math.max(1, Math.ceil(least), Math.ceil(count / most));
  return { per, chunks: Math.ceil(count / per) };
};

/** `cut` for pixels of `channels` float32 each, by the bytes of one tensor: at least 64 KiB a chunk. */
export const cutPixels = (ref: TensorRef, most = 64): Pieces =>
  cut(pixelsOf(ref), 16384 / ref.shape[3], most);
