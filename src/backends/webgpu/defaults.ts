import type { Call } from '../../graph/planned.js';
import type { KernelName } from '../../ops/index.js';
import type { Capabilities } from './kernels/kernel.js';

/**
 * What to take on adapters of a family where nothing was measured. The first rule that fits and names a candidate that
 * there is wins; without one a call takes its first candidate, and no calls are joined.
 */
export interface Rule {
  /** Of the adapter, as WebGPU names them: `nvidia`, `hopper`; `software` for all that run on the CPU. Default any. */
  readonly vendor?: string;
  readonly architecture?: string;
  readonly op: KernelName;
  /** Rules of two calls that may run as one: the second's op. */
  readonly second?: KernelName;
  /** What more is asked of the call, or of the first of two. */
  when?(call: Call): boolean;
  /** Name of the candidate. */
  readonly take: string;
}

/** One line a rule, with where it was measured. */
export const rules: readonly Rule[] = [];

/** Candidates that a call may take by default, or two calls together, the best first. */
export function* defaultsOf(
  calls: readonly [Call] | readonly [Call, Call],
  { family }: Capabilities,
  from: readonly Rule[] = rules,
): Generator<string> {
  const [call, second] = calls;
  for (const { vendor, architecture, op, second: next, when, take } of from) {
    if (vendor !== undefined && vendor !== family.vendor) continue;
    if (architecture !== undefined && architecture !== family.architecture) continue;
    if (op !== call.op || next !== second?.op) continue;
    if (when === undefined || when(call)) yield take;
  }
}
