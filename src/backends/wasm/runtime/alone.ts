import type { Phase } from '../../../ir/graph.js';
import type { Program } from '../program.js';
import type { Blocks } from './blocks.js';
import { Thread } from './thread.js';
import type { Crew } from './threads.js';

/** How long kernels may run before a page gets a turn, in milliseconds. */
const turn = 8;

/** The caller's own thread, where there are no others that share memory. */
export class Alone implements Crew {
  private readonly thread: Thread;
  private running = false;
  private disposed = false;

  constructor(
    module: WebAssembly.Module,
    blocks: Blocks,
    memory: WebAssembly.Memory,
    private readonly program: Program,
  ) {
    const { steps, boardBase, boardWords, localsBase: local } = program;
    this.thread = new Thread({ module, memory, steps, boardBase, boardWords, local, threads: 1, blocks });
  }

  async run(phases: readonly Phase[], timed = false): Promise<Float64Array | undefined> {
    if (this.disposed) throw new Error('wasm: the executor is disposed');
    if (this.running) throw new Error('wasm: a run is still going on; await it before the next');
    const times = timed ? new Float64Array(this.program.steps.length) : undefined;
    this.running = true;
    let before = performance.now();
    const pause = () => {
      if (performance.now() - before < turn) return undefined;
      return othersTurn().then(() => {
        before = performance.now();
        if (this.disposed) throw new Error('wasm: the executor is disposed');
      });
    };
    try {
      if (times) await this.thread.profileAlone(phases, pause, times);
      else await this.thread.runAlone(phases, pause);
    } finally {
      this.running = false;
    }
    return times;
  }

  async dispose(): Promise<void> {
    this.disposed = true;
  }
}

/** Timers wait 4 ms when they are nested; messages do not. */
function othersTurn(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
