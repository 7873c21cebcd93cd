/** Indices of 32-bit words at the start of the memory, a cache line apart. */
const nextChunk = 0;
const arrived = 16;
const generation = 32;
const aborted = 48;

/** Looks at the barrier before sleeping: some 20 µs, because other processes may need the core more. */
const spins = 2000;

/** The meeting point of the threads after each stage, and the counter they take chunks from. */
export class Barrier {
  private readonly words: Int32Array;

  constructor(
    memory: SharedArrayBuffer,
    private readonly threads: number,
  ) {
    this.words = new Int32Array(memory, 0, 64);
  }

  /** Makes it usable again after an abort; only while no thread is running. */
  reset(): void {
    this.words.fill(0);
  }

  /** The next chunk of the current stage that nobody has taken. */
  take(): number {
    return Atomics.add(this.words, nextChunk, 1);
  }

  /** Waits for all threads and starts the next stage's count; false after an abort. */
  meet(): boolean {
    const { words } = this;
    const current = Atomics.load(words, generation);
    if (Atomics.add(words, arrived, 1) === this.threads - 1) {
      Atomics.store(words, arrived, 0);
      Atomics.store(words, nextChunk, 0);
      this.advance();
    } else {
      for (let i = 0; i < spins; i++) {
        if (Atomics.load(words, generation) !== current) return Atomics.load(words, aborted) === 0;
      }
      while (Atomics.load(words, generation) === current) {
        if (Atomics.load(words, aborted)) return false;
        Atomics.wait(words, generation, current);
      }
    }
    return Atomics.load(words, aborted) === 0;
  }

  /** Releases every thread that waits or will wait. */
  abort(): void {
    Atomics.store(this.words, aborted, 1);
    this.advance();
  }

  private advance(): void {
    Atomics.add(this.words, generation, 1);
    Atomics.notify(this.words, generation);
  }
}
