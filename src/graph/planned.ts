import type { Phase } from '../ir/graph.js';
import type { DType, Initial, Shape, Value } from '../ir/value.js';
import type { AttrsOf, InputsOf, KernelName, OutputsOf } from '../ops/index.js';

/**
 * Where a tensor lies. Element `[n, y, x, c]` is at
 * `offset + elementBytes·(((n·H + y)·W + x)·pixelStride + c)`: a pixel's channels are contiguous, but pixels may be
 * further apart than C, because a tensor may be a range of channels of a wider one.
 */
export interface TensorRef {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape;
  /** Bytes from the start of the arena; a multiple of 4 for f32, of 8 for f16. Whole tensors start at multiples of 64, or 256 where a plan has f16. */
  readonly offset: number;
  /** Elements from one pixel to the next; ≥ C, equal to C for a dense tensor. */
  readonly pixelStride: number;
}

/** The record of values `R` with each value replaced by its place. */
export type Placed<R> = { readonly [K in keyof R]: R[K] extends Value ? TensorRef : TensorRef | undefined };

interface CallOf<K extends KernelName> {
  readonly op: K;
  readonly label: string;
  readonly phase: Phase;
  readonly inputs: Placed<InputsOf<K>>;
  readonly outputs: Placed<OutputsOf<K>>;
  readonly attrs: AttrsOf<K>;
  /** Private memory of this call, sized by the backend's `scratchBytes`; its content does not survive the call. */
  readonly scratch: { readonly offset: number; readonly bytes: number };
  /** Names of inputs that change only with the weights: known in phase `prepare`. */
  readonly constants?: readonly string[];
  /** What the backend makes of constants in phase `prepare` and keeps, see `ScratchRule.kept`. */
  readonly kept?: { readonly offset: number; readonly bytes: number };
  /**
   * The backend runs it as one kernel with the next or the previous call of its phase, and whatever either needs lives as
   * long as both. Where the second reads what the first gives, that has no memory (its offset means nothing); otherwise
   * both read the same tensor.
   */
  readonly joined?: 'next' | 'previous';
  /** Which of several ways the backend takes. */
  readonly algorithm?: string;
  readonly flops: number;
}

/** One kernel call: plain data, discriminated by `op`. */
export type Call = { [K in KernelName]: CallOf<K> }[KernelName];
export type CallFor<K extends KernelName> = Extract<Call, { op: K }>;

/** What a backend says of calls while a plan is made, from shapes alone: `offset`s in them are not yet set. */
export interface ScratchRule {
  /** Bytes of private memory it wants while the call runs; `partner`: the other call, where two are joined. */
  (call: Call, partner?: Call): number;
  /** Bytes it wants for what it makes of the call's constants once, in phase `prepare`. Default none. */
  kept?(call: Call, partner?: Call): number;
  /**
   * Whether two calls run as one kernel, where the second directly follows and alone reads what the first gives, or reads
   * what the first reads and nothing that it gives.
   */
  joins?(first: Call, second: Call): boolean;
  /** Which of several algorithms the call takes; `partner`: the other call, where two are joined. */
  algorithm?(call: Call, partner?: Call): string | undefined;
}

/** A tensor that the caller may write or read by name between runs. */
export interface Slot extends TensorRef {
  readonly role: 'input' | 'param' | 'state' | 'moment' | 'average' | 'output';
  /** What a param or state holds before training, or an input unless the caller writes another value. */
  readonly initial?: Initial;
}

/** A point of the memory timeline. */
export interface MemoryPoint {
  readonly label: string;
  readonly phase: Phase;
  /** Bytes of persistent and live tensors while the call runs. */
  readonly bytes: number;
}

/** Everything that will happen, as data: an ordered list of kernel calls with offsets into one arena. */
export interface Plan {
  readonly calls: readonly Call[];
  /** Bytes of the arena: all a run needs, parameters, optimiser state and inputs included. */
  readonly arenaBytes: number;
  /** Part of the arena that outlives a run. */
  readonly persistentBytes: number;
  readonly slots: Readonly<Record<string, Slot>>;
  /** The flat parameter region: bytes from the arena's start, and float32 elements (alignment gaps are zeros). */
  readonly flatParams: { readonly offset: number; readonly length: number };
  /** Trained scalars, without alignment gaps. */
  readonly parameters: number;
  readonly timeline: readonly MemoryPoint[];
  readonly peak: MemoryPoint;
}
