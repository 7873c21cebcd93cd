import type { Phase } from '../../../ir/graph.js';
import type { Program } from '../program.js';
import { Barrier } from './barrier.js';
import type { Blocks } from './blocks.js';
import { Board } from './board.js';
import { canAwaitMemory, Finish } from './finish.js';
import type { Hand } from './host.js';
import type { Told } from './worker.js';

/** Idle workers of disposed pools: starting a thread costs more than many runs. */
const spares: Hand[] = [];

/** Takes an idle worker back, or ends it where there are spares enough. */
async function release(hand: Hand, most: number): Promise<void> {
  hand.hold(false);
  if (spares.length < most) {
    // A spare that dies is not handed out again; without a listener its error would end the process.
    const drop = () => spares.splice(0, spares.length, ...spares.filter((other) => other !== hand));
    hand.listen(() => undefined, drop);
    hand.post({ kind: 'release' });
    spares.push(hand);
  } else {
    hand.listen(
      () => undefined,
      () => undefined,
    );
    await hand.end();
  }
}

/** Those that run a program. */
export interface Crew {
  /** Runs the phases; the result is one time per step if `timed`, in milliseconds. */
  run(phases: readonly Phase[], timed?: boolean): Promise<Float64Array | undefined>;
  dispose(): Promise<void>;
}

/** A run that is going on. */
interface Running {
  readonly timed: boolean;
  settle(error?: Error): void;
}

/** A fixed set of worker threads bound to one program. They keep the process alive only while they run. */
export class Pool implements Crew {
  private readonly workers: readonly Hand[];
  private readonly barrier: Barrier;
  private readonly board: Board;
  private readonly finish: Finish;
  /** The number of the run. */
  private count = 0;
  private running: Running | undefined;
  private error: Error | undefined;
  private times: Float64Array | undefined;
  private broken: Error | undefined;
  private disposed = false;

  constructor(
    module: WebAssembly.Module,
    blocks: Blocks,
    memory: WebAssembly.Memory,
    program: Program,
    threads: number,
    start: () => Hand,
    private readonly mostSpares: number,
  ) {
    const shared = memory.buffer as unknown as SharedArrayBuffer;
    this.barrier = new Barrier(shared, threads);
    this.board = new Board(shared, program);
    this.finish = new Finish(shared, threads);
    const { steps, boardBase, boardWords, localsBase, localBytes } = program;
    const parts = { module, memory, steps, boardBase, boardWords, threads, blocks };
    this.workers = Array.from({ length: threads }, (_, i) => {
      const worker = spares.pop() ?? start();
      worker.listen(
        (message) => this.told(message as Told),
        (error) => this.lost(error),
      );
      const init = { ...parts, local: localsBase + i * localBytes };
      worker.post({ kind: 'bind', init, tells: !canAwaitMemory });
      return worker;
    });
  }

  /** Runs the phases on all threads; the result is one time per step if `timed`, in milliseconds. */
  async run(phases: readonly Phase[], timed = false): Promise<Float64Array | undefined> {
    if (this.broken) throw this.broken;
    if (this.running) throw new Error('wasm: a run is still going on; await it before the next');
    this.barrier.reset();
    this.board.reset();
    this.finish.reset();
    this.error = undefined;
    this.times = undefined;
    // One is enough.
    this.workers[0].hold(true);
    try {
      await new Promise<void>((resolve, reject) => {
        this.running = { timed, settle: (error) => (error ? reject(error) : resolve()) };
        const run = ++this.count;
        for (const worker of this.workers) worker.post({ kind: timed ? 'profile' : 'run', run, phases });
        if (canAwaitMemory) this.finish.reached().then(() => this.check(), reject);
      });
    } finally {
      this.running = undefined;
      // A thread that is being ended must be waited for.
      if (!this.disposed) this.workers[0].hold(false);
    }
    return this.times;
  }

  /** Ends a run that is going on and gives the workers back; a broken pool's are ended. */
  async dispose(): Promise<void> {
    if (this.disposed) return;
    this.disposed = true;
    const reusable = !this.broken && !this.running;
    this.broken ??= new Error('wasm: the executor is disposed');
    this.barrier.abort();
    await Promise.all(
      this.workers.map((worker) => (reusable ? release(worker, this.mostSpares) : worker.end())),
    );
    this.running?.settle(this.broken);
  }

  private told({ run, error, times }: Told): void {
    // Of two threads that fail, the second may be heard when the next run goes on.
    if (run !== this.count) return;
    if (error !== undefined) this.error ??= new Error(`wasm: a kernel failed: ${error}`);
    this.times ??= times;
    this.check();
  }

  private lost(error: Error): void {
    this.broken ??= new Error(`wasm: a worker thread failed: ${error.message}`);
    this.error ??= this.broken;
    this.barrier.abort();
    // In its place.
    this.finish.end(true);
    this.check();
  }

  /** Settles the run that is going on, if all threads have ended it and what they say of it has come. */
  private check(): void {
    const { running, finish, error, times } = this;
    if (!running || !finish.isReached()) return;
    if (finish.hasFailures() ? error : times || !running.timed) running.settle(error);
  }
}
