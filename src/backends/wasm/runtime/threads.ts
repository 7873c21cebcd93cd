import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import type { Phase } from '../../../ir/graph.js';
import type { Program } from '../program.js';
import { Barrier } from './barrier.js';
import type { Request, RunReply } from './worker.js';

/** Idle workers of disposed pools: starting a thread costs more than many runs. */
const spares: Worker[] = [];

/** An idle worker, which does not keep the process alive. */
function hire(): Worker {
  const spare = spares.pop();
  if (spare) return spare;
  // Not the process's own arguments: some, such as --input-type, are refused by workers.
  const worker = new Worker(new URL('./worker.js', import.meta.url), { execArgv: [] });
  worker.unref();
  return worker;
}

/** Takes an idle worker back, or ends it where there are spares enough. */
async function release(worker: Worker): Promise<void> {
  for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
  worker.unref();
  if (spares.length < availableParallelism()) {
    // A spare that dies is not handed out again; without a listener its error would end the process.
    const drop = () => spares.splice(0, spares.length, ...spares.filter((other) => other !== worker));
    worker.on('error', drop);
    worker.on('exit', drop);
    worker.postMessage({ kind: 'release' } satisfies Request);
    spares.push(worker);
  } else {
    await end(worker);
  }
}

async function end(worker: Worker): Promise<void> {
  // An idle worker does not keep the process alive, not even to see its own end.
  worker.ref();
  await worker.terminate();
}

/** A fixed set of worker threads bound to one program. They keep the process alive only while they run. */
export class Pool {
  private readonly workers: readonly Worker[];
  private readonly barrier: Barrier;
  private running: { readonly waiting: Set<Worker>; settle(error?: Error): void } | undefined;
  private error: Error | undefined;
  private times: Float64Array | undefined;
  private broken: Error | undefined;
  private disposed = false;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, program: Program, threads: number) {
    this.barrier = new Barrier(memory.buffer as unknown as SharedArrayBuffer, threads);
    const { steps, localsBase, localBytes } = program;
    this.workers = Array.from({ length: threads }, (_, i) => {
      const worker = hire();
      for (const event of ['error', 'exit']) worker.removeAllListeners(event);
      worker.on('message', (reply: RunReply) => this.finished(worker, reply));
      worker.on('error', (error: Error) => this.lost(worker, error));
      worker.on('exit', () => this.lost(worker, new Error('a worker thread ended')));
      // Node counts a listener for messages as a reason to live.
      worker.unref();
      const init = { module, memory, steps, local: localsBase + i * localBytes, threads };
      worker.postMessage({ kind: 'bind', init } satisfies Request);
      return worker;
    });
  }

  /** Runs the phases on all threads; the result is one time per step if `timed`, in milliseconds. */
  async run(phases: readonly Phase[], timed = false): Promise<Float64Array | undefined> {
    if (this.broken) throw this.broken;
    if (this.running) throw new Error('wasm: a run is still going on; await it before the next');
    this.barrier.reset();
    this.error = undefined;
    this.times = undefined;
    await new Promise<void>((resolve, reject) => {
      const settle = (error?: Error) => {
        this.running = undefined;
        if (error) reject(error);
        else resolve();
      };
      this.running = { waiting: new Set(this.workers), settle };
      for (const [i, worker] of this.workers.entries()) {
        worker.ref();
        worker.postMessage({ kind: 'run', phases, timed: timed && i === 0 } satisfies Request);
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
    await Promise.all(this.workers.map(reusable ? release : end));
  }

  private finished(worker: Worker, reply: RunReply): void {
    // A thread that is being ended must be waited for, even if it still answers.
    if (!this.disposed) worker.unref();
    if ('error' in reply) this.error ??= new Error(`wasm: a kernel failed: ${reply.error}`);
    else this.times ??= reply.times;
    this.done(worker);
  }

  private lost(worker: Worker, error: Error): void {
    this.broken ??= new Error(`wasm: a worker thread failed: ${error.message}`);
    this.error ??= this.broken;
    this.barrier.abort();
    this.done(worker);
  }

  private done(worker: Worker): void {
    const { running } = this;
    if (!running) return;
    running.waiting.delete(worker);
    if (running.waiting.size === 0) running.settle(this.error);
  }
}
