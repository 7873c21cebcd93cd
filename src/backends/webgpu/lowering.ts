import type { Call, Plan, ScratchRule } from '../../graph/planned.js';
import { APART, Choices, pairSignatureOf, signatureOf } from './choices.js';
import { defaultsOf } from './defaults.js';
import type { Candidate, Capabilities } from './kernels/kernel.js';
import type { Dispatch } from './shader.js';

/** The candidates that there are. */
export interface Ways {
  of(call: Call, able: Capabilities): readonly Candidate[];
  /** To run two calls as one; none for most. */
  ofPair(first: Call, second: Call, able: Capabilities): readonly Candidate[];
}

const named = (candidates: readonly Candidate[], name: string | undefined): Candidate | undefined =>
  candidates.find((candidate) => candidate.name === name);

/** How calls become dispatches on one adapter: of the candidates that it can run, those that were chosen. */
export class Lowering {
  constructor(
    readonly able: Capabilities,
    readonly choices: Choices,
    private readonly ways: Ways,
  ) {}

  /** What the planner asks: its answers hold for the plan, whatever is chosen later. */
  get rule(): ScratchRule {
    const taken = (call: Call, partner?: Call): Candidate | undefined =>
      call.joined === 'next'
        ? undefined
        : call.joined === 'previous'
          ? this.joined(partner!, call)
          : this.chosen(call);
    return Object.assign((call: Call, partner?: Call): number => taken(call, partner)?.scratch ?? 0, {
      kept: (call: Call, partner?: Call): number => taken(call, partner)?.kept ?? 0,
      joins: (first: Call, second: Call): boolean => this.joined(first, second) !== undefined,
      algorithm: (call: Call, partner?: Call): string | undefined => taken(call, partner)?.name,
    });
  }

  /** The dispatches of a call of a plan made with `rule`, in order; of two that are joined, all belong to the second. */
  lower(call: Call, before?: Call): Dispatch[] {
    return call.joined === 'next' ? [] : this.candidate(call, before).lower();
  }

  /** What a call of a plan is computed by; `before`: the first of two that are joined. */
  candidate(call: Call, before?: Call): Candidate {
    const candidates =
      call.joined === 'previous' ? this.ways.ofPair(before!, call, this.able) : this.ways.of(call, this.able);
    return named(candidates, call.algorithm) ?? candidates[0];
  }

  /** The choices that a plan was made by, those of calls with one candidate left out. */
  choicesOf({ calls }: Pick<Plan, 'calls'>): Choices {
    const made = new Choices();
    const apart = new Set<string>();
    const before = new Map<Call['phase'], Call>();
    for (const call of calls) {
      const first = before.get(call.phase);
      before.set(call.phase, call);
      const pair = first && pairSignatureOf(first, call);
      if (call.joined === 'previous') made.set(pair!, call.algorithm!);
      else if (first && this.ways.ofPair(first, call, this.able).length > 0) apart.add(pair!);
      if (!call.joined && this.ways.of(call, this.able).length > 1) {
        made.set(signatureOf(call), call.algorithm!);
      }
    }
    // Two calls may also be apart because one of them is joined with another.
    for (const pair of apart) if (made.of(pair) === undefined) made.set(pair, APART);
    return made;
  }

  private chosen(call: Call): Candidate {
    const candidates = this.ways.of(call, this.able);
    if (candidates.length === 1) return candidates[0];
    const measured = call.algorithm ?? this.choices.of(signatureOf(call));
    return named(candidates, measured) ?? this.byDefault([call], candidates) ?? candidates[0];
  }

  private joined(first: Call, second: Call): Candidate | undefined {
    const candidates = this.ways.ofPair(first, second, this.able);
    if (candidates.length === 0) return undefined;
    const measured = this.choices.of(pairSignatureOf(first, second));
    if (measured === APART) return undefined;
    return (
      named(candidates, measured) ??
      this.byDefault([first, second], candidates) ??
      candidates.find(({ frugal }) => frugal)
    );
  }

  /** What adapters of the family take where nothing was measured. */
  private byDefault(
    calls: readonly [Call] | readonly [Call, Call],
    candidates: readonly Candidate[],
  ): Candidate | undefined {
    for (const name of defaultsOf(calls, this.able)) {
      const found = named(candidates, name);
      if (found) return found;
    }
    return undefined;
  }
}
