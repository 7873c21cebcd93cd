import { pairSignatureOf } from '../../src/backends/webgpu/choices.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import type { Lowering } from '../../src/backends/webgpu/lowering.js';
import type { Call, Plan, ScratchRule } from '../../src/graph/planned.js';

/** Chooses the first candidate of all pairs of a plan that may run as one, and for which `wanted` holds. */
export function chooseJoined(
  { able, choices, rule }: Lowering,
  plan: (rule: ScratchRule) => Plan,
  wanted: (first: Call, second: Call) => boolean = () => true,
): void {
  const bytes = (call: Call, partner?: Call) => rule(call, partner);
  plan(
    Object.assign(bytes, {
      joins(first: Call, second: Call): boolean {
        const [candidate] = everyWay.ofPair(first, second, able);
        if (candidate && wanted(first, second)) choices.set(pairSignatureOf(first, second), candidate.name);
        return false;
      },
    }),
  );
}
