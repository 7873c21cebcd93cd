import type { Plan, ScratchRule, TensorRef } from '../graph/planned.js';
import type { Phase } from '../ir/graph.js';
import type { FrameLook, FrameSource } from './frame.js';

/** True for plans that store feature maps as float16. */
export const hasHalf = (plan: Plan): boolean =>
  plan.calls.some(({ outputs }) =>
    Object.values(outputs as Readonly<Record<string, TensorRef>>).some(({ dtype }) => dtype === 'f16'),
  );

/** True for plans that may multiply integers of so many bits. */
export const hasProducts = (plan: Plan, products: 'i16' | 'i8'): boolean =>
  plan.calls.some(({ op, attrs }) => op === 'conv2d' && attrs.products === products);

/** A plan bound to memory and ready to run. One run at a time. */
export interface Executor {
  readonly plan: Plan;
  /** Copies data into a slot (see `Plan.slots`), element count checked; `at`: first element, default 0. */
  write(slot: string, data: Float32Array | Uint8Array, at?: number): void;
  /**
   * Copies a slot out, densely, and resolves to the copy: a new array, or `into`, which is of the slot's type and number of
   * elements. For frames of a stream: memory that is new for each takes longer to get than to fill.
   */
  read(slot: string, into?: Float32Array | Uint8Array): Promise<Float32Array | Uint8Array>;
  /** Runs all calls of the given phases in plan order. Slots may be read when it resolves. */
  run(...phases: Phase[]): Promise<void>;
  /** `run` resolves when it is queued, and what is written then waits its turn: runs may overlap what the caller does. */
  readonly queues?: true;
  /** Milliseconds per call of one run of the given phases, in plan order; for `bench --profile`. */
  profile(...phases: Phase[]): Promise<Float64Array>;
  /**
   * Of a GPU in a browser: takes a frame as `images`, runs `forward` and draws the frame with its `prediction` on a canvas,
   * all of it there.
   */
  show?(source: FrameSource, look: FrameLook): Promise<void>;
  /** Bytes allocated for the plan: its arena, plus what the backend needs around it. */
  readonly allocatedBytes: number;
  dispose(): Promise<void>;
}

export interface BackendOptions {
  /** Worker threads (wasm only). Default: the machine's cores. */
  readonly threads?: number;
  /** Told while shaders are compiled (GPUs only): kernels that are ready, and all. */
  onProgress?(done: number, total: number): void;
}

/** The way that each kernel goes, by a text that tells calls apart. */
export type KernelWays = readonly (readonly [call: string, way: string])[];

/** A device that executes plans. */
export interface Backend {
  /** Of its kind, as in the list of devices. */
  readonly name: string;
  /** The GPU's own name, of a backend on one. */
  readonly device?: string;
  readonly scratchBytes: ScratchRule;
  /** Of CPU cores: how many threads a plan will run on, of those asked for. */
  threads?(wanted?: number): Promise<number>;
  /** Of CPU cores: bits of the vectors that kernels run on, pixels of a register block, and why. */
  vectors?(): Promise<{ readonly bits: 128 | 256; readonly pixels: 4 | 6; readonly why: string }>;
  /** Of a device on which one kernel may go several ways, which differ in their last bits. */
  readonly ways?: {
    /** Those that a plan goes. */
    of(plan: Plan): KernelWays;
    /** For plans that go given ways, where the device can. */
    rule(ways: KernelWays): ScratchRule;
  };
  /** Of a GPU: whether it was lost, or failed; nothing runs on it any more, and another one is to be opened. */
  isLost?(): boolean;
  /** Bytes that a plan may take now: what it can address, and the memory that is left. Infinity where only trying tells. */
  usableBytes(): number;
  /** Allocates everything the plan needs; throws `MemoryError` if the machine cannot give it. */
  prepare(plan: Plan, options?: BackendOptions): Promise<Executor>;
}
