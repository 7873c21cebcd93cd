import type { Call, Plan, ScratchRule, TensorRef } from '../../../graph/planned.js';
import { APART, Choices, pairSignatureOf, signatureOf } from '../choices.js';
import type { Candidate, Capabilities } from '../kernels/kernel.js';
import type { Ways } from '../lowering.js';
import { Lowering } from '../lowering.js';
import { spanOf } from '../windows.js';

/** A call that can be computed in several ways, or two calls that may run as one: what is measured once. */
export interface Contest {
  readonly signature: string;
  /** One call, or two; their tensors lie in a small arena of their own as they lie in the plan's. */
  readonly calls: readonly [Call] | readonly [Call, Call];
  /** Calls of this signature in all plans. */
  readonly count: number;
  readonly candidates: readonly Candidate[];
  /** Stretches of the small arena with their content, and where they end. */
  readonly contents: readonly Content[];
  readonly tensorBytes: number;
}

export interface Content {
  readonly offset: number;
  readonly bytes: number;
  readonly dtype: TensorRef['dtype'];
  /** Bytes of u8 tensors are below this. */
  readonly below: number;
}

/**
 * Everything in the plans that an adapter can compute in several ways, what takes longest first, pairs after single calls.
 * @param plansOf makes the plans by the rule that it is given, in which no calls are joined.
 */
export function contestsOf(
  able: Capabilities,
  plansOf: (rule: ScratchRule) => readonly Plan[],
  ways: Ways,
): readonly Contest[] {
  const mayJoin = new Set<string>();
  const { rule } = new Lowering(able, new Choices(), ways);
  const plans = plansOf(
    Object.assign((call: Call, partner?: Call): number => rule(call, partner), {
      ...rule,
      joins(first: Call, second: Call): boolean {
        if (ways.ofPair(first, second, able).length > 0) mayJoin.add(pairSignatureOf(first, second));
        return false;
      },
    }),
  );
  const found = new Map<string, { calls: Contest['calls']; count: number }>();
  const add = (signature: string, calls: Contest['calls']) => {
    const known = found.get(signature);
    if (known) known.count++;
    else found.set(signature, { calls, count: 1 });
  };
  for (const { calls } of plans) {
    const before = new Map<Call['phase'], Call>();
    for (const call of calls) {
      if (ways.of(call, able).length > 1) add(signatureOf(call), [call]);
      const first = before.get(call.phase);
      before.set(call.phase, call);
      if (first && mayJoin.has(pairSignatureOf(first, call)))
        add(pairSignatureOf(first, call), [first, call]);
    }
  }
  const weight = ({ calls, count }: Contest) => count * workOf(calls);
  return [...found]
    .map(([signature, { calls, count }]) => contestOf(signature, calls, count, ways, able))
    .sort((a, b) => a.calls.length - b.calls.length || weight(b) - weight(a));
}

/** What contests have in common whose calls differ in dilation and padding alone: nearly the same candidates are fast. */
export const kinOf = ({ signature }: Contest): string =>
  signature.replace(/"(dilation|padding)":\[[\d,]*\]/g, '').replace(/\/\d+/g, '');

/** About as long as the calls take, in FLOPs. */
const workOf = (calls: readonly Call[]): number =>
  calls.reduce((sum, call) => sum + call.flops + 10 * refsOf(call).reduce((n, ref) => n + spanOf(ref), 0), 0);

function contestOf(
  signature: string,
  planned: Contest['calls'],
  count: number,
  ways: Ways,
  able: Capabilities,
): Contest {
  const { moved, contents, bytes } = movedTogether(planned);
  const calls = moved as unknown as Contest['calls'];
  const candidates = calls.length === 2 ? ways.ofPair(calls[0], calls[1], able) : ways.of(calls[0], able);
  return { signature, calls, count, candidates, contents, tensorBytes: bytes };
}

const refsOf = ({ inputs, outputs }: Call): TensorRef[] =>
  [...Object.values(inputs), ...Object.values(outputs)].filter((ref?: TensorRef) => ref !== undefined);

interface Cluster {
  readonly members: { readonly ref: TensorRef; readonly call: number }[];
}

const endOf = (ref: TensorRef): number => ref.offset + spanOf(ref);

/** Whether two tensors share memory by the graph's will, and not because one comes to where the other was. */
function together(a: Cluster['members'][number], b: Cluster['members'][number]): boolean {
  const overlap = a.ref.offset < endOf(b.ref) && b.ref.offset < endOf(a.ref);
  if (!overlap || a.call === b.call) return overlap;
  const sameValue = a.ref.offset === b.ref.offset && a.ref.name === b.ref.name;
  const views = a.ref.offset !== b.ref.offset && a.ref.pixelStride === b.ref.pixelStride;
  return sameValue || views;
}

/** The calls with their tensors in an arena from 0, whatever lies between left out. */
function movedTogether(calls: readonly Call[]): { moved: Call[]; contents: Content[]; bytes: number } {
  let clusters: Cluster[] = [];
  calls.forEach((call, index) => {
    for (const ref of refsOf(call)) {
      const member = { ref, call: index };
      const near = clusters.filter(({ members }) => members.some((other) => together(member, other)));
      const members = [member, ...near.flatMap((cluster) => cluster.members)];
      clusters = [...clusters.filter((cluster) => !near.includes(cluster)), { members }];
    }
  });
  const to = new Map<TensorRef, number>();
  const contents: Content[] = [];
  const classes = Math.max(4, ...calls.flatMap(refsOf).map(({ shape }) => shape[3]));
  let at = 0;
  for (const { members } of clusters) {
    const begin = Math.min(...members.map(({ ref }) => ref.offset));
    const end = Math.max(...members.map(({ ref }) => endOf(ref)));
    const offset = at + (begin % 256);
    for (const { ref } of members) to.set(ref, ref.offset - begin + offset);
    const [{ ref }] = members;
    const below = ref.shape[3] === 1 ? Math.min(classes, 255) : 256;
    contents.push({ offset: at, bytes: offset - at + end - begin, dtype: ref.dtype, below });
    at = Math.ceil((offset + end - begin) / 256) * 256;
  }
  const move = (record: object) =>
    Object.fromEntries(
      Object.entries(record as Readonly<Record<string, TensorRef | undefined>>).map(([name, ref]) => [
        name,
        ref && { ...ref, offset: to.get(ref)! },
      ]),
    );
  const moved = calls.map(
    (call) => ({ ...call, inputs: move(call.inputs), outputs: move(call.outputs) }) as unknown as Call,
  );
  return { moved, contents, bytes: at };
}

/** Whether two calls may also run apart, which takes more memory where a candidate is frugal. */
export const mayPart = ({ calls, candidates }: Contest): boolean =>
  calls.length === 2 && !candidates.some(({ frugal }) => frugal);

/** Of the contest's tensors, and of the memory of its candidates behind them; for a pair also where it is not joined. */
export function arenaBytesOf(
  { calls, tensorBytes, candidates }: Contest,
  able: Capabilities,
  ways: Ways,
): number {
  const most = (of: readonly Candidate[]) => Math.max(0, ...of.map(memoryOf));
  const apart = calls.reduce((sum, call) => sum + most(ways.of(call, able)), 0);
  return tensorBytes + Math.max(apart, most(candidates));
}

const alignUp = (bytes: number): number => Math.ceil(bytes / 256) * 256;

/** Private memory of a candidate, bytes. */
const memoryOf = ({ scratch = 0, kept = 0 }: Candidate): number => alignUp(scratch) + alignUp(kept);

/** A call of a contest as a candidate computes it, its memory from byte `at` on. */
function callAs(call: Call, { name, scratch = 0, kept = 0 }: Candidate, at: number): Call {
  return {
    ...call,
    algorithm: name,
    scratch: { offset: at, bytes: scratch },
    ...(kept > 0 ? { kept: { offset: at + alignUp(scratch), bytes: kept } } : {}),
  };
}

/** The calls of a contest as one candidate computes them; `apart`: what either call takes where they are not joined. */
export function callsAs(
  { calls, tensorBytes }: Contest,
  candidate: Candidate | typeof APART,
  apart: readonly Candidate[],
): Call[] {
  if (candidate === APART) {
    let at = tensorBytes;
    return calls.map((call, i) => {
      const moved = callAs(call, apart[i], at);
      at += memoryOf(apart[i]);
      return moved;
    });
  }
  const [first, second] = calls;
  if (!second) return [callAs(first, candidate, tensorBytes)];
  return [
    { ...first, joined: 'next' },
    { ...callAs(second, candidate, tensorBytes), joined: 'previous' },
  ];
}
