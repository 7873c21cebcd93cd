import type { Call } from '../../../../graph/planned.js';
import type { Candidate, Capabilities } from '../kernel.js';

/** Ways to run two calls as one, of which the second alone reads what the first gives; none for most. */
type Pair = (first: Call, second: Call, able: Capabilities) => readonly Candidate[];

const pairs: readonly Pair[] = [];

/** The ways to run two calls as one. */
export const pairCandidatesOf: Pair = (first, second, able) =>
  pairs.flatMap((candidates) => candidates(first, second, able));
