import { neededBy, windowStages } from '../needs.js';
import type { Program, Step } from '../program.js';

const nothingLeft = -1;

/** Chunks that a step could go on with before one of it is taken, if an earlier step has something to do. */
const reserve = 2;

/**
 * What is taken and what is done of a run, in shared memory. A thread takes the next chunk of the last step that has one whose
 * needs are met: so what a step writes is read while it is still in the cache, and nobody waits for the rest of a step. But the last
 * few that could start are left, for who would wait while another thread does the last chunk of the step before.
 */
export class Board {
  private readonly words: Int32Array;
  private readonly steps: readonly Step[];
  /** By step: chunks from the first on that this thread knows to be done. */
  private readonly done: Int32Array;
  /** By step: the word that was zero when a chunk could not start (before that it cannot), 0 if none, or `nothingLeft`. */
  private readonly blocked: Int32Array;
  /** The same of the chunk that is `reserve` further. */
  private readonly blockedAhead: Int32Array;
  private order: readonly number[] = [];
  /** Of the first step in the order that is not done. */
  private first = 0;
  /** What `take` took. */
  step = 0;
  chunk = 0;

  constructor(memory: SharedArrayBuffer, { steps, boardBase, boardWords }: BoardInit) {
    this.words = new Int32Array(memory, boardBase, boardWords);
    this.steps = steps;
    this.done = new Int32Array(steps.length);
    this.blocked = new Int32Array(steps.length);
    this.blockedAhead = new Int32Array(steps.length);
  }

  /** Makes it ready for a run; only while no thread is running. */
  reset(): void {
    this.words.fill(0);
  }

  /** Begins this thread's part of a run of these steps. */
  begin(order: readonly number[]): void {
    this.order = order;
    this.first = 0;
    this.done.fill(0);
    this.blocked.fill(0);
    this.blockedAhead.fill(0);
  }

  /** Takes a chunk that may start, if there is one. */
  take(): boolean {
    const { order, steps } = this;
    if (this.finished()) return false;
    const { phase } = steps[order[this.first]];
    let last = this.first;
    const end = Math.min(order.length, this.first + windowStages);
    while (last + 1 < end && steps[order[last + 1]].phase === phase) last++;
    for (let i = last; i >= this.first; i--)
      if (this.takeOf(order[i], reserve, this.blockedAhead)) return true;
    for (let i = this.first; i <= last; i++) if (this.takeOf(order[i], 0, this.blocked)) return true;
    return false;
  }

  /** Whether all steps are done. */
  finished(): boolean {
    const { order, steps } = this;
    while (this.first < order.length) {
      const index = order[this.first];
      if (this.doneOf(index, steps[index].chunks) < steps[index].chunks) return false;
      this.first++;
    }
    return true;
  }

  /** Marks what `take` took as done. */
  mark(): void {
    Atomics.store(this.words, this.steps[this.step].board + 1 + this.chunk, 1);
  }

  /** Takes the next chunk of a step, if the one that is `ahead` chunks further could start too. */
  private takeOf(index: number, ahead: number, blocked: Int32Array): boolean {
    const { words } = this;
    const word = blocked[index];
    if (word === nothingLeft || (word > 0 && Atomics.load(words, word) === 0)) return false;
    const { board, chunks, needs } = this.steps[index];
    for (;;) {
      const chunk = Atomics.load(words, board);
      if (chunk >= chunks) {
        blocked[index] = nothingLeft;
        return false;
      }
      for (const need of needs) {
        const { step } = need;
        const needed = neededBy(Math.min(chunk + ahead, chunks - 1), need);
        const known = this.doneOf(step, needed);
        if (known < needed) {
          blocked[index] = this.steps[step].board + 1 + known;
          return false;
        }
      }
      if (Atomics.compareExchange(words, board, chunk, chunk + 1) === chunk) {
        this.step = index;
        this.chunk = chunk;
        return true;
      }
    }
  }

  /** Chunks of a step that are done, from the first on; counted as far as `wanted`. */
  private doneOf(index: number, wanted: number): number {
    const { words, done } = this;
    const { board } = this.steps[index];
    while (done[index] < wanted && Atomics.load(words, board + 1 + done[index]) === 1) done[index]++;
    return done[index];
  }
}

export type BoardInit = Pick<Program, 'steps' | 'boardBase' | 'boardWords'>;
