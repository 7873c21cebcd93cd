import type { Plan, ScratchRule } from '../../../graph/planned.js';
import { APART, Choices } from '../choices.js';
import { trafficOf } from '../cost.js';
import { everyWay } from '../kernels/index.js';
import type { Candidate, Capabilities } from '../kernels/kernel.js';
import type { Ways } from '../lowering.js';
import { callsAs, contestsOf } from './contest.js';

/**
 * Choices by what is counted instead of measured: the candidates that move the fewest bytes, and of those that do the
 * fewest operations. What a GPU is fastest with may differ.
 */
export function countedChoices(
  able: Capabilities,
  plansOf: (rule: ScratchRule) => readonly Plan[],
  ways: Ways = everyWay,
): Choices {
  const choices = new Choices();
  for (const contest of contestsOf(able, plansOf, ways)) {
    const { calls, candidates, signature } = contest;
    const flops = calls.reduce((sum, call) => sum + call.flops, 0);
    const scored = candidates.map((candidate) => {
      const placed = callsAs(contest, candidate, []);
      const [first, second] = placed;
      const ready = second ? ways.ofPair(first, second, able) : ways.of(first, able);
      const { name } = candidate;
      return {
        name,
        bytes: bytesOf(ready.find((other) => other.name === name)!),
        flops: candidate.flops ?? flops,
      };
    });
    if (calls.length === 2) {
      const bytes = calls.reduce((sum, call) => sum + bytesOf(ways.of(call, able)[0]), 0);
      scored.unshift({ name: APART, bytes, flops });
    }
    const best = scored.reduce((a, b) =>
      b.bytes < a.bytes || (b.bytes === a.bytes && b.flops < a.flops) ? b : a,
    );
    choices.set(signature, best.name);
  }
  return choices;
}

const bytesOf = (candidate: Candidate): number =>
  candidate
    .lower()
    .filter(({ once }) => !once)
    .map(trafficOf)
    .reduce((sum, { read, written }) => sum + read + written, 0);
