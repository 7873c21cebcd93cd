import type { CallFor, TensorRef } from '../../graph/planned.js';
import { elementBytes } from '../../ir/value.js';
import type { KernelName } from '../../ops/index.js';
import type { KernelArgs, Span } from './abi.js';

/** Address of the arena in the module's memory; below it lies what the threads synchronise with. */
export const arenaBase = 65536;

/** Bytes filled up to whole lines of a cache. */
export const alignLines = (bytes: number): number => Math.ceil(bytes / 64) * 64;

/** Addresses of the first byte and of the one behind the last. */
export type Range = readonly [from: number, until: number];

export interface Touched {
  readonly reads: readonly Range[];
  readonly writes: readonly Range[];
}

/** By chunk. Ranges may be larger than what is touched, never smaller. */
export type Touches = (chunk: number) => Touched;

/**
 * One parallel loop: `kernel(args, chunk, local)` for every chunk in `[0, chunks)`, in any order and on any thread. A
 * chunk starts when those of the stages before are done that write what it touches or read what it writes.
 *
 * `chunks` must follow from shapes alone, and a chunk must write what no other chunk of the stage touches: sums go
 * to one place per chunk and a later stage adds them in chunk order. Then results do not depend on the threads.
 */
export type Stage = { [K in keyof KernelArgs]: StageOf<K> }[keyof KernelArgs];

/** Of a kernel. */
export interface StageOf<K extends keyof KernelArgs> {
  readonly kernel: K;
  readonly chunks: number;
  readonly args: KernelArgs[K];
  /** Bytes behind `local`, private to the thread, undefined at the start of a chunk. Default 0. */
  readonly localBytes?: number;
  /** Default: that of the call. */
  readonly phase?: 'prepare';
  /** What each chunk reads and writes. Default: each all that the call knows. */
  readonly touches?: Touches;
}

/** How a call of one op becomes stages. */
export interface WasmKernel<K extends KernelName> {
  /** Bytes of `call.scratch`, from shapes alone (offsets are not yet known). Default 0. */
  scratchBytes?(call: CallFor<K>): number;
  /** Bytes of `call.kept`: what stages of phase `prepare` make of constant inputs. Default 0. */
  keptBytes?(call: CallFor<K>): number;
  /** Which of several ways it takes, for people. */
  algorithm?(call: CallFor<K>): string;
  /** `threads`: how many there are, for work that is worth cutting into no more pieces; results do not depend on it. */
  lower(call: CallFor<K>, threads: number): Stage[];
}

/** Address of a tensor's first element; 0 where an optional tensor is absent. */
export const pointer = (ref: TensorRef | undefined): number => (ref ? arenaBase + ref.offset : 0);

/** Address of a call's scratch memory. */
export const scratchPointer = (call: { readonly scratch: { readonly offset: number } }): number =>
  arenaBase + call.scratch.offset;

type Making = Pick<CallFor<KernelName>, 'kept' | 'scratch'>;

/** Address of what a call makes of its constants: in what it keeps, or anew in its scratch. */
export const madePointer = (call: Making): number =>
  call.kept ? arenaBase + call.kept.offset : scratchPointer(call);

/** The stages that make it: ahead, where it is kept. */
export const making = ({ kept }: Making, stages: readonly Stage[]): Stage[] =>
  stages.map((stage): Stage => (kept ? { ...stage, phase: 'prepare' } : stage));

type Refs = Readonly<Record<string, TensorRef | undefined>>;

/** Addresses by the names of the tensors. */
export const pointers = <R extends Refs>(refs: R): { readonly [K in keyof R]-?: number } =>
  Object.fromEntries(Object.entries(refs).map(([name, ref]) => [name, pointer(ref)])) as {
    [K in keyof R]-?: number;
  };

type Strided<R> = { readonly [K in keyof R & string as K | `${K}Stride`]-?: number };

/** For a tensor `x` its address `x` and pixel stride in bytes `xStride`; zeros where an optional one is absent. */
export const strided = <R extends Refs>(refs: R): Strided<R> =>
  Object.fromEntries(
    Object.entries(refs).flatMap(([name, ref]) => [
      [name, pointer(ref)],
      [`${name}Stride`, ref ? ref.pixelStride * elementBytes[ref.dtype] : 0],
    ]),
  ) as Strided<R>;

/** Pixels of a tensor: `N·H·W`. */
export const pixelsOf = (ref: TensorRef): number => ref.shape[0] * ref.shape[1] * ref.shape[2];

/** Items as kernels take them, and the chunks they make. */
export interface Pieces {
  readonly span: Span;
  readonly chunks: number;
}

/**
 * Cuts `count` items into at most `most` chunks of at least `least` items.
 * `least`: enough work to pay for taking a chunk (some 20 µs); `most`: enough for many threads to share evenly.
 */
export const cut = (count: number, least: number, most = 64): Pieces => {
  // Items without any work, of a convolution that reads no channel, say, make one chunk: they may have something to write.
  const perChunk = Math.max(1, Math.min(count, Math.max(Math.ceil(least), Math.ceil(count / most))));
  return { span: { count, perChunk }, chunks: Math.ceil(count / perChunk) };
};

/** `cut` for pixels of `channels` float32 each, by the bytes of one tensor: at least 128 KiB a chunk. */
export const cutPixels = (ref: TensorRef, most = 64): Pieces =>
  cut(pixelsOf(ref), 32768 / ref.shape[3], most);

/** What kernels take that work pixel by pixel, and the chunks of such a stage. */
export function overPixels(ref: TensorRef) {
  const { span, chunks } = cutPixels(ref);
  return { chunks, range: { channels: ref.shape[3], pixels: span } };
}
