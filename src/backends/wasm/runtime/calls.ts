import type { Phase } from '../../../ir/graph.js';

/** Indices of 32-bit words at the start of the memory, behind those of the barrier, a cache line apart. */
const made = 96;
const order = 97;
const ended = 112;
const failures = 113;
const words = 128;

/** What bits of an order mean. */
const phases: readonly Phase[] = ['prepare', 'forward', 'backward', 'update'];
const timed = 1 << 8;
const leave = 1 << 9;

/** What threads are to do. */
export interface Order {
  readonly phases: readonly Phase[];
  /** Tells how long each step took. */
  readonly timed: boolean;
}

/** Whether who calls can wait without standing still; a browser's page may do nothing else. */
export const canAwaitMemory = typeof Atomics.waitAsync === 'function';

/**
 * Calls of threads by one that does not compute, in shared memory. A message takes either side a hundred times as long, with caches
 * that the kernels have filled and on processors that the threads want.
 */
export class Calls {
  private readonly words: Int32Array;
  /** Calls that were made, as far as this side knows. */
  count = 0;

  constructor(
    memory: SharedArrayBuffer,
    private readonly threads: number,
  ) {
    this.words = new Int32Array(memory, 0, words);
  }

  /** Calls all threads; only when all have ended the call before. */
  make(wanted: Order): void {
    let bits = wanted.timed ? timed : 0;
    for (const phase of wanted.phases) bits |= 1 << phases.indexOf(phase);
    this.raise(bits);
  }

  /** Tells all threads to wait for no more calls. */
  dismiss(): void {
    this.raise(leave);
  }

  /** Whether all threads have ended the call. */
  haveEnded(): boolean {
    return Atomics.load(this.words, ended) >= this.threads;
  }

  /** Whether a thread has failed. */
  haveFailed(): boolean {
    return Atomics.load(this.words, failures) > 0;
  }

  /** Resolves when all threads have ended the call. */
  async allEnded(): Promise<void> {
    while (!this.haveEnded()) {
      const seen = Atomics.load(this.words, ended);
      // Threads that are not the last change it too, but wake nobody.
      if (seen < this.threads) await Atomics.waitAsync(this.words, ended, seen).value;
    }
  }

  /** Of a thread: waits for the next call; undefined where it is dismissed. */
  next(): Order | undefined {
    while (Atomics.load(this.words, made) === this.count) Atomics.wait(this.words, made, this.count);
    this.count++;
    const bits = Atomics.load(this.words, order);
    if (bits & leave) return undefined;
    return { phases: phases.filter((_, i) => bits & (1 << i)), timed: (bits & timed) !== 0 };
  }

  /** A thread has ended the call. @returns whether it is the last. */
  end(failed: boolean): boolean {
    if (failed) Atomics.add(this.words, failures, 1);
    const isLast = Atomics.add(this.words, ended, 1) === this.threads - 1;
    if (isLast) Atomics.notify(this.words, ended);
    return isLast;
  }

  private raise(bits: number): void {
    Atomics.store(this.words, ended, 0);
    Atomics.store(this.words, failures, 0);
    Atomics.store(this.words, order, bits);
    this.count = Atomics.add(this.words, made, 1) + 1;
    Atomics.notify(this.words, made);
  }
}
