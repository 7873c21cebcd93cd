import { Signal } from './signal.js';

/** Indices of 32-bit words at the start of the memory, a cache line apart. */
const nextChunk = 0;
const arrived = 16;
const generation = 32;
const aborted = 48;
const progress = 64;
const words = 80;

/** The meeting point of the threads, the counter they take chunks from between meetings, and what tells of work that is done. */
export class Barrier {
  private readonly words: Int32Array;
  private readonly generation: Signal;
  /** Raised when a chunk is done. */
  readonly progress: Signal;

  constructor(
    memory: SharedArrayBuffer,
    private readonly threads: number,
  ) {
    this.words = new Int32Array(memory, 0, words);
    this.generation = new Signal(this.words, generation);
    this.progress = new Signal(this.words, progress);
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
    const current = this.generation.count();
    if (Atomics.add(words, arrived, 1) === this.threads - 1) {
      Atomics.store(words, arrived, 0);
      Atomics.store(words, nextChunk, 0);
      this.generation.raise();
    } else this.generation.wait(current);
    return !this.isAborted();
  }

  isAborted(): boolean {
    return Atomics.load(this.words, aborted) !== 0;
  }

  /** Releases every thread that waits or will wait. */
  abort(): void {
    Atomics.store(this.words, aborted, 1);
    this.generation.raise();
    this.progress.raise();
  }
}
