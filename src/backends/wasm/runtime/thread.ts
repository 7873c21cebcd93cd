import type { Phase } from '../../../ir/graph.js';
import type { Program } from '../program.js';
import { Barrier } from './barrier.js';

type Kernel = (args: number, chunk: number, local: number) => void;

/** What a thread is started with; all of it can be sent to any kind of worker. */
export interface ThreadInit {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly steps: Program['steps'];
  /** Address of this thread's private memory. */
  readonly local: number;
  readonly threads: number;
  /** Whether the module was compiled to vectors of 256 bits. */
  readonly wide: boolean;
}

/** One of the threads that walk a program together, taking chunks from a shared counter. */
export class Thread {
  private readonly barrier: Barrier;
  private readonly kernels: readonly Kernel[];

  constructor(private readonly init: ThreadInit) {
    const { exports } = new WebAssembly.Instance(init.module, { env: { memory: init.memory } });
    (exports.wide as WebAssembly.Global).value = init.wide ? 1 : 0;
    this.barrier = new Barrier(init.memory.buffer as unknown as SharedArrayBuffer, init.threads);
    this.kernels = init.steps.map(({ kernel }) => exports[kernel] as Kernel);
  }

  /**
   * Runs all stages of the given phases as the only thread. What waits gets a turn between kernels (`pause`).
   * Sums are added by chunk, so the result is that of any number of threads.
   */
  async runAlone(
    phases: readonly Phase[],
    pause: () => Promise<void> | undefined,
    times?: Float64Array,
  ): Promise<void> {
    const { steps, local } = this.init;
    for (let i = 0; i < steps.length; i++) {
      const { phase, args, chunks } = steps[i];
      if (!phases.includes(phase)) continue;
      const before = performance.now();
      for (let chunk = 0; chunk < chunks; chunk++) this.kernels[i](args, chunk, local);
      if (times) times[i] += performance.now() - before;
      await pause();
    }
  }

  /**
   * Runs all stages of the given phases and returns when every thread has. With `times` (one per step), adds the
   * milliseconds from barrier to barrier. Throws what a kernel throws, after releasing the other threads, which
   * then return false.
   */
  run(phases: readonly Phase[], times?: Float64Array): boolean {
    const { steps, local } = this.init;
    const { barrier, kernels } = this;
    try {
      // Nobody starts before everybody is awake, so that times are of the work alone.
      if (!barrier.meet()) return false;
      let before = performance.now();
      for (let i = 0; i < steps.length; i++) {
        const { phase, args, chunks } = steps[i];
        if (!phases.includes(phase)) continue;
        const kernel = kernels[i];
        for (let chunk = barrier.take(); chunk < chunks; chunk = barrier.take()) kernel(args, chunk, local);
        if (!barrier.meet()) return false;
        if (times) {
          const now = performance.now();
          times[i] += now - before;
          before = now;
        }
      }
      return true;
    } catch (error) {
      barrier.abort();
      throw error;
    }
  }
}
