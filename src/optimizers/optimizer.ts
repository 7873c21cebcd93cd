import type { Value } from '../ir/value.js';
import type { EmitOp } from '../ops/index.js';

/** What the update of an optimiser reads; all but `hyper` are as long as the flat parameters. */
export interface UpdateOperands {
  readonly param: Value;
  readonly grad: Value;
  /** In the order of `OptimizerRule.moments`. */
  readonly moments: readonly Value[];
  readonly hyper: Value;
}

/** An optimiser as the compiler and the trainer see it. O: its hyper-parameters. */
export interface OptimizerRule<Name extends string, O extends Readonly<Record<string, number>>> {
  readonly name: Name;
  /** One line for people who choose. */
  readonly summary: string;
  /** Its hyper-parameters with their defaults; the learning rate comes from the schedule. */
  readonly defaults: O;
  /** What it remembers between updates, one number per parameter, zero at first: names of slots and in checkpoints. */
  readonly moments: readonly string[];
  /** A `hyper` vector of the update that, with a gradient of zeros, changes nothing. */
  readonly still: readonly number[];
  /** The content of `hyper` for one update. @param t number of the update, counted from 1. */
  hyper(options: O, learningRate: number, t: number): Float32Array;
  /** Emits the update. @returns the new parameters. */
  update(emit: EmitOp, operands: UpdateOperands): Value;
}

/** A vector from numbers by name. @param indices place of each name. */
export function hyperVector<K extends string>(
  indices: Readonly<Record<K, number>>,
  length: number,
  values: Readonly<Record<K, number>>,
): Float32Array {
  const vector = new Float32Array(length);
  for (const name of Object.keys(indices) as K[]) vector[indices[name]] = values[name];
  return vector;
}

/** Fixes the types of a rule. */
export const defineOptimizer = <const Name extends string, O extends Readonly<Record<string, number>>>(
  rule: OptimizerRule<Name, O>,
): OptimizerRule<Name, O> => rule;
