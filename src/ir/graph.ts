import type { Initial, Value } from './value.js';

/** When a node runs. `prepare` once after weights change; `step` is forward then backward; `update` the optimiser. */
export type Phase = 'prepare' | 'forward' | 'backward' | 'update';

/** Values by the names an op gives them; optional ones may be absent. */
export type Operands = Readonly<Record<string, Value | undefined>>;

/** One operation of the graph. What it means is said by the op of that name (`ops/`). */
export interface Node {
  readonly id: number;
  readonly op: string;
  /** Where the node comes from, for tables and errors: `stage2.v1.F.conv1`. Gradients add `/grad`, recomputation `/again`. */
  readonly label: string;
  readonly phase: Phase;
  readonly inputs: Operands;
  readonly outputs: Readonly<Record<string, Value>>;
  readonly attrs: object;
}

/** Nodes that the backward pass may recompute instead of keeping their activations. */
export type Region =
  | {
      readonly kind: 'checkpoint';
      readonly nodes: readonly Node[];
      /** Some of them, first in order: recomputed once more for their gradient, and not kept until then. */
      readonly twice?: readonly Node[];
    }
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

/** A list of nodes in execution order (order is the schedule) with the regions a backward pass may recompute. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly regions: readonly Region[];
  readonly inputs: readonly Value[];
  readonly params: readonly Value[];
  /** What is kept between runs beside the params: of the roles `state`, `moment` and `average`. */
  readonly states: readonly Value[];
  /** Initial content of params and states, and of inputs that have a default, by value id. */
  readonly initial: ReadonlyMap<number, Initial>;
  /** The gradient of each param, by the param's id; empty before `differentiate`. Kept in one flat region like the params. */
  readonly gradients: ReadonlyMap<number, Value>;
  /** Values that name a whole flat region, of params, gradients or states, for ops that walk over all of them at once. */
  readonly flat?: { readonly params: Value; readonly grads: Value; readonly states?: Value };
  /** What the caller reads after a run. */
  readonly outputs: Readonly<Record<string, Value>>;
}

/** The values of a record of named inputs or outputs, absent optional ones left out. */
export const valuesOf = (record: object): Value[] =>
  Object.values(record).filter((value): value is Value => value !== undefined);
