import type { AttrsOf, InputsOf, OpName, OutputsOf } from '../ops/index.js';

/** `[N, H, W, C]`. Vectors of channels are `[1, 1, 1, C]`, convolution weights `[kh, kw, Cin / groups, Cout]`. */
export type Shape = readonly [n: number, h: number, w: number, c: number];

/** What a value is stored as. Whatever it is, kernels compute in float32. */
export type DType = 'f32' | 'f16' | 'u8';

/**
 * What a value is to the outside.
 * - `input`: written by the caller before a run (images, labels, hyper-parameters).
 * - `param`: trained; lives in one flat region, in order of creation.
 * - `state`: kept between runs but not trained (running statistics, Adam moments).
 * - `constant`: computed by the `prepare` phase from params and state, kept until they change.
 * - `activation`: everything a run computes; shares the arena by liveness.
 */
export type Role = 'input' | 'param' | 'state' | 'constant' | 'activation';

/** One tensor of the graph. Immutable: every value is written by exactly one node (or by the caller). */
export interface Value {
  readonly id: number;
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: DType;
  readonly role: Role;
}

/** When a node runs. `prepare` once after weights change; `step` is forward then backward; `update` the optimiser. */
export type Phase = 'prepare' | 'forward' | 'backward' | 'update';

interface NodeOf<K extends OpName> {
  readonly id: number;
  readonly op: K;
  /** Where the node comes from, for tables and errors: `stage2.v1.F.conv1`. Gradients add `/grad`, recomputation `/again`. */
  readonly label: string;
  readonly phase: Phase;
  readonly inputs: InputsOf<K>;
  readonly outputs: OutputsOf<K>;
  readonly attrs: AttrsOf<K>;
}

/** One operation of the graph, discriminated by `op`. */
export type Node = { [K in OpName]: NodeOf<K> }[OpName];
/** The node type of one operation. */
export type NodeFor<K extends OpName> = Extract<Node, { op: K }>;

/** Nodes that the backward pass may recompute instead of keeping their activations. */
export type Region =
  | { readonly kind: 'checkpoint'; readonly nodes: readonly Node[] }
  | {
      /** `y1 = x1 + F(x2)`, `y2 = x2 + G(y1)`; both adds are nodes of the region, after F and after G. */
      readonly kind: 'reversible';
      readonly label: string;
      readonly nodes: readonly Node[];
      readonly x1: Value;
      readonly x2: Value;
      readonly y1: Value;
      readonly y2: Value;
      readonly f: { readonly nodes: readonly Node[]; readonly out: Value };
      readonly g: { readonly nodes: readonly Node[]; readonly out: Value };
    };

/** Initial content of a param or state: one value, or draws from a normal distribution around zero. */
export type Initial =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly deviation: number };

/** A list of nodes in execution order (order is the schedule) with the regions a backward pass may recompute. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly regions: readonly Region[];
  readonly inputs: readonly Value[];
  readonly params: readonly Value[];
  readonly states: readonly Value[];
  /** Initial content of params and states, and of inputs that have a default, by value id. */
  readonly initial: ReadonlyMap<number, Initial>;
  /** The gradient of each param, by the param's id; empty before `differentiate`. Kept in one flat region like the params. */
  readonly gradients: ReadonlyMap<number, Value>;
  /** Values that name the whole flat region of params or gradients, for ops that walk over all of them at once. */
  readonly flat?: { readonly params: Value; readonly grads: Value };
  /** What the caller reads after a run. */
  readonly outputs: Readonly<Record<string, Value>>;
}

/** Elements of a shape. */
export const sizeOf = (shape: Shape): number => shape[0] * shape[1] * shape[2] * shape[3];
/** Bytes of one element. */
export const elementBytes: Readonly<Record<DType, number>> = { f32: 4, f16: 2, u8: 1 };
/** Bytes of a value stored densely. */
export const bytesOf = (value: { shape: Shape; dtype: DType }): number =>
  sizeOf(value.shape) * elementBytes[value.dtype];
/** `4×512×1024×8`, as tables and errors show it. */
export const formatShape = (shape: Shape): string => shape.join('×');

/** The values of a record of named inputs or outputs, absent optional ones left out. */
export const valuesOf = (record: object): Value[] =>
  Object.values(record).filter((value): value is Value => value !== undefined);
