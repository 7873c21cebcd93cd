/** What must be done before a chunk of a stage may start, from what chunks touch. */
import type { Range, Touched } from './stage.js';

/** Stages that may be under way at a time: only so many before a stage are looked at. */
export const windowStages = 16;

/** Of an earlier stage: how many of its chunks must be done, from the first on, before each chunk of this one. */
export interface Need {
  readonly step: number;
  /** By chunk, or one number for all. */
  readonly done: Int32Array;
}

/** A stage as it touches memory; one entry where all chunks touch the same. */
export interface Toucher {
  readonly step: number;
  readonly chunks: number;
  readonly touched: readonly Touched[];
}

function meets(a: readonly Range[], b: readonly Range[]): boolean {
  for (const [from, until] of a) {
    for (const other of b) if (from < other[1] && other[0] < until) return true;
  }
  return false;
}

/** Whether the later of two has to wait for the other: one of them writes what the other reads or writes. */
const conflict = (later: Touched, earlier: Touched): boolean =>
  meets(later.reads, earlier.writes) ||
  meets(later.writes, earlier.reads) ||
  meets(later.writes, earlier.writes);

/** Of all chunks together: one range each that holds them. */
function hull(touched: readonly Touched[]): Touched {
  const union = (kind: keyof Touched): Range[] => {
    const all: [from: number, until: number][] = [];
    for (const one of touched) {
      for (const [i, [from, until]] of one[kind].entries()) {
        all[i] ??= [from, until];
        if (from < all[i][0]) all[i][0] = from;
        if (until > all[i][1]) all[i][1] = until;
      }
    }
    return all;
  };
  return { reads: union('reads'), writes: union('writes') };
}

/** How many chunks of the earlier stage must be done before this chunk. */
export const neededBy = (chunk: number, { done }: Need): number => done[done.length === 1 ? 0 : chunk];

/** A stage that others may have to wait for, with all that it waits for itself, by step. */
interface Earlier extends Toucher {
  readonly hull: Touched;
  readonly needs: ReadonlyMap<number, Need>;
}

/** Finds the needs of stages, one after the other, in the order of the plan. */
export class NeedsFinder {
  private readonly before: Earlier[] = [];

  /** The needs of the next stage, but for those that follow from the others: threads look at each before each chunk. */
  next(toucher: Toucher): Need[] {
    const own = { ...toucher, hull: hull(toucher.touched) };
    const found = this.before.flatMap((earlier) => {
      if (!conflict(own.hull, earlier.hull)) return [];
      const done = doneBefore(own, earlier);
      return done.some((count) => count > 0) ? [{ need: { step: earlier.step, done }, of: earlier }] : [];
    });
    const needs = new Map(found.map(({ need }) => [need.step, need]));
    this.before.push({ ...own, needs });
    if (this.before.length > windowStages) this.before.shift();
    return found.flatMap(({ need }, i) => {
      const isSaid = found
        .slice(i + 1)
        .some((later) => follows(need, later.need, later.of.needs.get(need.step)));
      return isSaid ? [] : [need];
    });
  }
}

/** Whether what is needed of a later stage could not have begun before what is needed of an earlier one, of which it needs `its`. */
function follows(need: Need, later: Need, its: Need | undefined): boolean {
  if (!its) return false;
  const chunks = Math.max(need.done.length, later.done.length);
  for (let chunk = 0; chunk < chunks; chunk++) {
    const done = neededBy(chunk, later);
    if (neededBy(chunk, need) > (done > 0 ? neededBy(done - 1, its) : 0)) return false;
  }
  return true;
}

/** Never falling from chunk to chunk: chunks are started in their order. */
function doneBefore(later: Toucher, earlier: Toucher): Int32Array {
  let least = 0;
  return Int32Array.from(later.touched, (touched) => {
    let count = earlier.chunks;
    if (earlier.touched.length === 1) count = conflict(touched, earlier.touched[0]) ? count : 0;
    else while (count > least && !conflict(touched, earlier.touched[count - 1])) count--;
    least = Math.max(least, count);
    return least;
  });
}
