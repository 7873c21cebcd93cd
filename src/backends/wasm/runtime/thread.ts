import type { Phase } from '../../../ir/graph.js';
import { Barrier } from './barrier.js';
import type { Blocks } from './blocks.js';
import { useBlocks } from './blocks.js';
import type { BoardInit } from './board.js';
import { Board } from './board.js';

type Kernel = (args: number, chunk: number, local: number) => void;

/** What a thread is started with; all of it can be sent to any kind of worker. */
export interface ThreadInit extends BoardInit {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  /** Address of this thread's private memory. */
  readonly local: number;
  readonly threads: number;
  readonly blocks: Blocks;
}

/** One of the threads that walk a program together, taking chunks from what they share. */
export class Thread {
  private readonly barrier: Barrier;
  private readonly board: Board;
  private readonly kernels: readonly Kernel[];
  /** Indices of steps by phases. */
  private readonly orders = new Map<string, readonly number[]>();

  constructor(private readonly init: ThreadInit) {
    const { exports } = new WebAssembly.Instance(init.module, { env: { memory: init.memory } });
    useBlocks(exports, init.blocks);
    const shared = init.memory.buffer as unknown as SharedArrayBuffer;
    this.barrier = new Barrier(shared, init.threads);
    this.board = new Board(shared, init);
    this.kernels = init.steps.map(({ kernel }) => exports[kernel] as Kernel);
  }

  /**
   * Runs the given phases as the only thread. What waits gets a turn between chunks (`pause`). Sums are added by chunk, so
   * the result is that of any number of threads.
   */
  async runAlone(phases: readonly Phase[], pause: () => Promise<void> | undefined): Promise<void> {
    this.board.reset();
    this.board.begin(this.stepsOf(phases));
    while (this.runNext()) await pause();
  }

  /** The same step by step: adds the milliseconds of each to `times`. */
  async profileAlone(
    phases: readonly Phase[],
    pause: () => Promise<void> | undefined,
    times: Float64Array,
  ): Promise<void> {
    const { steps, local } = this.init;
    for (const i of this.stepsOf(phases)) {
      const { args, chunks } = steps[i];
      const before = performance.now();
      for (let chunk = 0; chunk < chunks; chunk++) this.kernels[i](args, chunk, local);
      times[i] += performance.now() - before;
      await pause();
    }
  }

  /**
   * Runs the given phases and returns when they are done. Throws what a kernel throws, after releasing the other threads,
   * which then return false.
   */
  run(phases: readonly Phase[]): boolean {
    const { barrier, board } = this;
    board.begin(this.stepsOf(phases));
    try {
      for (;;) {
        const seen = barrier.progress.count();
        if (barrier.isAborted()) return false;
        if (this.runNext()) barrier.progress.raise();
        else if (board.finished()) return true;
        else barrier.progress.wait(seen);
      }
    } catch (error) {
      barrier.abort();
      throw error;
    }
  }

  /** The same step by step, with all threads meeting after each: adds the milliseconds from one to the next to `times`. */
  profile(phases: readonly Phase[], times: Float64Array): boolean {
    const { steps, local } = this.init;
    const { barrier, kernels } = this;
    try {
      // Nobody starts before everybody is awake, so that times are of the work alone.
      if (!barrier.meet()) return false;
      let before = performance.now();
      for (const i of this.stepsOf(phases)) {
        const { args, chunks } = steps[i];
        const kernel = kernels[i];
        for (let chunk = barrier.take(); chunk < chunks; chunk = barrier.take()) kernel(args, chunk, local);
        if (!barrier.meet()) return false;
        const now = performance.now();
        times[i] += now - before;
        before = now;
      }
      return true;
    } catch (error) {
      barrier.abort();
      throw error;
    }
  }

  /** Runs a chunk that may start; false where there is none. */
  private runNext(): boolean {
    const { board, kernels } = this;
    if (!board.take()) return false;
    kernels[board.step](this.init.steps[board.step].args, board.chunk, this.init.local);
    board.mark();
    return true;
  }

  /** Indices of the steps of some phases. */
  private stepsOf(phases: readonly Phase[]): readonly number[] {
    const key = phases.join();
    let steps = this.orders.get(key);
    if (!steps) {
      steps = this.init.steps.flatMap(({ phase }, i) => (phases.includes(phase) ? [i] : []));
      this.orders.set(key, steps);
    }
    return steps;
  }
}
