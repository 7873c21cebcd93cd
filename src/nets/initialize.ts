import { hashString, Rng } from '../data/rng.js';
import type { Plan } from '../graph/planned.js';
import { sizeOf } from '../ir/value.js';

/**
 * Initial content of every param and state slot of a plan, by slot name: normal convolutions (He et al. 2015, by
 * fan-out, unless the network says otherwise), constant vectors. Each tensor has its own random stream made from the seed and its name, so adding a layer changes no other.
 */
export function initialWeights(plan: Plan, seed: number): Map<string, Float32Array> {
  const weights = new Map<string, Float32Array>();
  for (const [name, slot] of Object.entries(plan.slots)) {
    if (!slot.initial) continue;
    const data = new Float32Array(sizeOf(slot.shape));
    if (slot.initial.kind === 'constant') data.fill(slot.initial.value);
    else {
      const { deviation } = slot.initial;
      const rng = Rng.of(seed, hashString(name));
      for (let i = 0; i < data.length; i++) data[i] = deviation * rng.normal();
    }
    weights.set(name, data);
  }
  return weights;
}
