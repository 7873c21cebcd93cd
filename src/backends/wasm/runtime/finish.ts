/** Indices of 32-bit words at the start of the memory, behind those of the barrier. */
const ended = 96;
const failures = 97;
const words = 112;

/** Whether the end of a run can be awaited without standing still, which a browser's page may not. */
export const canAwaitMemory = typeof Atomics.waitAsync === 'function';

/**
 * The end of a run, in shared memory. A message from each thread would run much more of the caller's code, in caches that the kernels
 * have filled and on a processor that another thread still wants.
 */
export class Finish {
  private readonly words: Int32Array;

  constructor(
    memory: SharedArrayBuffer,
    private readonly threads: number,
  ) {
    this.words = new Int32Array(memory, 0, words);
  }

  /** Before a run; only while no thread is running. */
  reset(): void {
    Atomics.store(this.words, ended, 0);
    Atomics.store(this.words, failures, 0);
  }

  /** Of a thread: it has ended the run. @returns whether it is the last. */
  end(failed: boolean): boolean {
    if (failed) Atomics.add(this.words, failures, 1);
    const isLast = Atomics.add(this.words, ended, 1) === this.threads - 1;
    if (isLast) Atomics.notify(this.words, ended);
    return isLast;
  }

  /** Whether all threads have ended the run. */
  isReached(): boolean {
    return Atomics.load(this.words, ended) >= this.threads;
  }

  /** Whether a thread has failed. */
  hasFailures(): boolean {
    return Atomics.load(this.words, failures) > 0;
  }

  /** Resolves when all threads have ended the run. */
  async reached(): Promise<void> {
    while (!this.isReached()) {
      const seen = Atomics.load(this.words, ended);
      // Threads that are not the last change it too, but wake nobody.
      if (seen < this.threads) await Atomics.waitAsync(this.words, ended, seen).value;
    }
  }
}
