/** Calls that the backend runs as one kernel, so that the tensor between them is never written. */

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

/** Pairs of indices: a step, and the next of its phase, which alone reads what it gives. */
export function joinedSteps(steps: readonly Node[], rules: JoinRules): [first: number, second: number][] {
  const readers = new Map<number, number>();
  for (const node of steps)
    for (const { id } of valuesOf(node.inputs)) readers.set(id, (readers.get(id) ?? 0) + 1);
  /** The step before in each phase, if it is not already one of a pair; phases can be interleaved. */
  const before = new Map<Node['phase'], number>();
  const pairs: [number, number][] = [];
  for (const [index, second] of steps.entries()) {
    const previous = before.get(second.phase);
    before.set(second.phase, index);
    if (previous === undefined) continue;
    const first = steps[previous];
    const [between, ...others] = valuesOf(first.outputs);
    const reads = valuesOf(second.inputs).filter(({ id }) => id === between.id).length;
    const only = others.length === 0 && reads === 1 && readers.get(between.id) === 1;
    // The second writes while the first still reads.
    const apart = valuesOf(second.outputs).every((output) =>
      valuesOf(first.inputs).every((input) => !rules.overlap(input, output)),
    );
    if (!only || !apart || rules.isOutput(between) || !rules.isAlone(between)) continue;
    if (!rules.joins(first, second)) continue;
    pairs.push([previous, index]);
    before.delete(second.phase);
  }
  return pairs;
}
