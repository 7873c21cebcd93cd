/**
 * Looks before sleeping: some 0.2 ms. Most stages of a network wait less for each other, and being woken takes as long as a small
 * one; other processes may need the core more.
 */
const spins = 20_000;

/** A counter in shared memory that threads wait on: they look for a moment, then they sleep. */
export class Signal {
  /** `at`: of two words, the count and the number of those that sleep. */
  constructor(
    private readonly words: Int32Array,
    private readonly at: number,
  ) {}

  count(): number {
    return Atomics.load(this.words, this.at);
  }

  raise(): void {
    Atomics.add(this.words, this.at, 1);
    if (Atomics.load(this.words, this.at + 1) > 0) Atomics.notify(this.words, this.at);
  }

  /** Until the count is no longer `seen`. */
  wait(seen: number): void {
    const { words, at } = this;
    for (let i = 0; i < spins; i++) {
      if (Atomics.load(words, at) !== seen) return;
    }
    Atomics.add(words, at + 1, 1);
    while (Atomics.load(words, at) === seen) Atomics.wait(words, at, seen);
    Atomics.sub(words, at + 1, 1);
  }
}
