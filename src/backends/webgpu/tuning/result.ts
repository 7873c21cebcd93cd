/** What a tuning is asked and gives, without a type of WebGPU itself: programs of others see these. */

import type { Plan, ScratchRule, TensorRef } from '../../../graph/planned.js';
import { bytesOf, formatShape } from '../../../ir/value.js';
import type { Choices } from '../choices.js';
import type { Contest } from './contest.js';

/** What is measured, and how long. */
export interface TuneWork {
  /** The plans whose calls are measured, made by the given rule. */
  plans(rule: ScratchRule): readonly Plan[];
  /** Seconds after which what is left keeps its default. Default 60. */
  readonly seconds?: number;
  /** Told before each contest. */
  onProgress?(done: number, total: number, call: string): void;
}

/** How one candidate did. */
export interface Entry {
  readonly candidate: string;
  /** Milliseconds: the median of all rounds. */
  ms?: number;
  /** Of the rounds: the fastest and the slowest. */
  range?: readonly [number, number];
  /** It was far slower than the fastest, and run no more than twice. */
  dropped?: true;
  /** Why the GPU cannot run it. */
  refused?: string;
}

/** All candidates of one contest. */
export interface Race {
  readonly contest: Contest;
  /** Nothing where the time was up before. */
  readonly entries: readonly Entry[];
  readonly chosen: string;
}

export interface Tuned {
  /** The GPU's name. */
  readonly device: string;
  readonly choices: Choices;
  readonly races: readonly Race[];
  readonly seconds: number;
}

/** With where it is kept for those who open the GPU next; absent where there is no such place. */
export interface TunedGpu extends Tuned {
  readonly file?: string;
}

const refsOf = (record: object): TensorRef[] =>
  Object.values(record as Readonly<Record<string, TensorRef | undefined>>).filter((ref) => ref !== undefined);

/** `conv2d stem.conv1`, two of them where they may run as one. */
export const callsText = ({ calls }: Contest): string =>
  calls.map(({ op, label }) => `${op} ${label}`).join(' + ');

/** A race as data. */
export function raceToJson({ contest, entries, chosen }: Race) {
  const { calls, count, signature } = contest;
  const [result] = refsOf(calls[calls.length - 1].outputs);
  const tensors = calls.flatMap(({ inputs, outputs }) => [...refsOf(inputs), ...refsOf(outputs)]);
  return {
    call: callsText(contest),
    /** Of the result. */
    shape: `${formatShape(result.shape)}${result.dtype === 'f32' ? '' : ` ${result.dtype}`}`,
    /** Calls of this signature in all plans. */
    count,
    /** Of tensors that enter and leave the calls, as if they were not joined. */
    bytes: tensors.reduce((sum, ref) => sum + bytesOf(ref), 0),
    flops: calls.reduce((sum, { flops }) => sum + flops, 0),
    chosen,
    entries,
    signature,
  };
}

/** All that was measured, as data. */
export const tunedToJson = ({ device, seconds, choices, races }: Tuned) => ({
  device,
  seconds,
  choices: choices.entries(),
  races: races.map(raceToJson),
});

/** Titles of {@link tunedRows}. */
export const tunedTitles = ['call', 'result', 'calls', 'candidate', 'ms', 'GB/s', 'GFLOP/s', ''] as const;

/** Every candidate with its time and rates, for a table; ← marks the chosen one. */
export const tunedRows = ({ races }: Tuned): string[][] =>
  races.flatMap((race) => {
    const { call, shape, count, bytes, flops, chosen, entries } = raceToJson(race);
    if (entries.length === 0) return [[call, shape, `${count}`, chosen, 'time was up', '', '', '←']];
    return entries.map(({ candidate, ms, dropped, refused }, i) => {
      const rate = (amount: number) => (ms && !refused ? (amount / ms / 1e6).toFixed(0) : '–');
      const time = refused ? 'refused' : `${(ms ?? Number.NaN).toFixed(4)}${dropped ? ' once' : ''}`;
      return [
        ...(i === 0 ? [call, shape, `${count}`] : ['', '', '']),
        ...[candidate, time, rate(bytes), rate(flops), candidate === chosen ? '←' : ''],
      ];
    });
  });

/** Candidates that the GPU refused, each with its reason. */
export const refusals = ({ races }: Tuned): string[] =>
  races.flatMap(({ entries }) =>
    entries.flatMap(({ candidate, refused }) => (refused ? [`${candidate}: ${refused}`] : [])),
  );
