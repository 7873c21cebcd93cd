/** Calls that the backend runs as one kernel: so the tensor between them is never written, or a common input read once. */

import type { Node } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';

export interface JoinRules {
  /** Whether the backend can run them as one. */
  joins(first: Node, second: Node): boolean;
  /** Whether a value has memory of its own that is used up within a run. */
  isAlone(value: Value): boolean;
  /** Whether two values share memory. */
  overlap(a: Value, b: Value): boolean;
  isOutput(value: Value): boolean;
}

/** Two steps that run as one kernel. */
export interface Joined {
  readonly first: number;
  readonly second: number;
  /** What the first gives and the second alone reads: it has no memory. Absent where both read the same and neither the other. */
  readonly between?: Value;
}

/** Pairs of a step and the next of its phase. */
export function joinedSteps(steps: readonly Node[], rules: JoinRules): Joined[] {
  const readers = new Map<number, number>();
  for (const node of steps)
    for (const { id } of valuesOf(node.inputs)) readers.set(id, (readers.get(id) ?? 0) + 1);
  const touch = (a: readonly Value[], b: readonly Value[]) =>
    a.some((one) => b.some((other) => rules.overlap(one, other)));
  /** What lies between, where the second alone reads it. */
  const betweenOf = (first: Node, second: Node): Value | undefined => {
    const [between, ...others] = valuesOf(first.outputs);
    const reads = valuesOf(second.inputs).filter(({ id }) => id === between.id).length;
    const only = others.length === 0 && reads === 1 && readers.get(between.id) === 1;
    return only && !rules.isOutput(between) && rules.isAlone(between) ? between : undefined;
  };
  const besides = (first: Node, second: Node): boolean =>
    valuesOf(first.inputs).some((input) => valuesOf(second.inputs).includes(input)) &&
    !touch(valuesOf(first.outputs), valuesOf(second.inputs));
  /** The step before in each phase, if it is not already one of a pair; phases can be interleaved. */
  const before = new Map<Node['phase'], number>();
  const pairs: Joined[] = [];
  for (const [index, second] of steps.entries()) {
    const previous = before.get(second.phase);
    before.set(second.phase, index);
    if (previous === undefined) continue;
    const first = steps[previous];
    // The second writes while the first still reads.
    if (touch(valuesOf(second.outputs), valuesOf(first.inputs))) continue;
    const between = betweenOf(first, second);
    if ((!between && !besides(first, second)) || !rules.joins(first, second)) continue;
    pairs.push({ first: previous, second: index, between });
    before.delete(second.phase);
  }
  return pairs;
}
