import type { Backend, KernelWays } from '../backends/backend.js';
import type { Plan, ScratchRule } from '../graph/planned.js';
import type { TrainEvent } from './events.js';

/** How the kernels of a run go: what is planned by, and what its checkpoints keep. */
export interface RunKernels {
  readonly scratchBytes: ScratchRule;
  readonly kernels?: KernelWays;
}

/**
 * On a backend whose kernels may go several ways, a run goes the same ways to its end: what is measured on the device
 * meanwhile changes which is the fastest, and with it the last bits.
 * @param saved of the checkpoint that the run goes on from.
 * @param planBy plans the run's step.
 * @param place is what the notice names, where the ways are not those that a new run would go.
 */
export function kernelsOfRun(
  { scratchBytes, ways }: Backend,
  saved: KernelWays | undefined,
  planBy: (rule: ScratchRule) => Plan,
  place: string,
  tell: ((event: TrainEvent) => void) | undefined,
): RunKernels {
  if (!ways) return { scratchBytes };
  const fresh = ways.of(planBy(scratchBytes));
  if (!saved) return { scratchBytes, kernels: fresh };
  const rule = ways.rule(saved);
  const kernels = ways.of(planBy(rule));
  const tellOf = (message: string) => tell?.({ type: 'notice', message: `${place}: ${message}` });
  const other = differing(saved, kernels);
  if (other > 0) {
    tellOf(
      `${other} of its kernels cannot go here as they went before; results will differ in the last bits`,
    );
  } else if (differing(kernels, fresh) > 0) {
    tellOf('its kernels go as they went before, not as what was measured here since says');
  }
  return { scratchBytes: rule, kernels };
}

function differing(before: KernelWays, now: KernelWays): number {
  const known = new Map(now);
  return before.filter(([call, way]) => known.get(call) !== way).length;
}
