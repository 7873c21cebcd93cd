import { compileInference } from '../compile.js';
import type { Plan, Slot } from '../graph/planned.js';
import type { Network } from '../nets/network.js';

/** A plan that is only looked at, for the names and shapes of a network's tensors. */
export const smallestPlan = (network: Network): Plan =>
  compileInference(network, { batch: 1, height: 32, width: 32, scratchBytes: () => 0 });

/** The slots of a plan that make up a model: parameters and running statistics, not the optimiser's moments. */
export function modelSlots(plan: Plan): Map<string, Slot> {
  return new Map(
    Object.entries(plan.slots).filter(
      ([, { initial, role }]) => initial !== undefined && (role === 'param' || role === 'state'),
    ),
  );
}
