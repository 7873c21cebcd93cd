import type { Phase } from '../../../ir/graph.js';
import type { Program } from '../program.js';
import { Barrier } from './barrier.js';
import type { Blocks } from './blocks.js';
import { Board } from './board.js';
import type { Hand } from './host.js';
import type { RunReply } from './worker.js';

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

/** A fixed set of worker threads bound to one program. They keep the process alive only while they run. */
export class Pool implements Crew {
  private readonly workers: readonly Hand[];
  private readonly barrier: Barrier;
  private readonly board: Board;
  private running: { readonly waiting: Set<Hand>; settle(error?: Error): void } | undefined;
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
    const { steps, boardBase, boardWords, localsBase, localBytes } = program;
    const parts = { module, memory, steps, boardBase, boardWords, threads, blocks };
    this.workers = Array.from({ length: threads }, (_, i) => {
      const worker = spares.pop() ?? start();
      worker.listen(
        (reply) => this.finished(worker, reply as RunReply),
        (error) => this.lost(worker, error),
      );
      worker.post({ kind: 'bind', init: { ...parts, local: localsBase + i * localBytes } });
      return worker;
    });
  }

  /** Runs the phases on all threads; the result is one time per step if `timed`, in milliseconds. */
  async run(phases: readonly Phase[], timed = false): Promise<Float64Array | undefined> {
    if (this.broken) throw this.broken;
    if (this.running) throw new Error('wasm: a run is still going on; await it before the next');
    this.barrier.reset();
    this.board.reset();
    this.error = undefined;
    this.times = undefined;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        this.running = undefined;
        if (error) reject(error);
        else resolve();
      };
      this.running = { waiting: new Set(this.workers), settle };
      for (const worker of this.workers) {
        worker.hold(true);
        worker.post({ kind: timed ? 'profile' : 'run', phases });
      }
    });
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
  }

  private finished(worker: Hand, reply: RunReply): void {
    // A thread that is being ended must be waited for, even if it still answers.
    if (!this.disposed) worker.hold(false);
    if ('error' in reply) this.error ??= new Error(`wasm: a kernel failed: ${reply.error}`);
    else this.times ??= reply.times;
    this.done(worker);
  }

  private lost(worker: Hand, error: Error): void {
    this.broken ??= new Error(`wasm: a worker thread failed: ${error.message}`);
    this.error ??= this.broken;
    this.barrier.abort();
    this.done(worker);
  }

  private done(worker: Hand): void {
    const { running } = this;
    if (!running) return;
    running.waiting.delete(worker);
    if (running.waiting.size === 0) running.settle(this.error);
  }
}
