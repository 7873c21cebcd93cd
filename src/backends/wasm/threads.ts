import { Worker } from 'node:worker_threads';
import type { Phase } from '../../graph/ir.js';
import { Barrier } from './barrier.js';
import type { Program } from './program.js';
import type { ThreadInit } from './thread.js';
import type { RunReply, RunRequest } from './worker.js';

/** A fixed set of worker threads bound to one program. They keep the process alive only while they run. */
export class Pool {
  private readonly workers: readonly Worker[];
  private readonly barrier: Barrier;
  private running: { readonly waiting: Set<Worker>; settle(error?: Error): void } | undefined;
  private error: Error | undefined;
  private times: Float64Array | undefined;
  private broken: Error | undefined;

  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, program: Program, threads: number) {
    this.barrier = new Barrier(memory.buffer as unknown as SharedArrayBuffer, threads);
    const { steps, localsBase, localBytes } = program;
    this.workers = Array.from({ length: threads }, (_, i) => {
      const workerData: ThreadInit = { module, memory, steps, local: localsBase + i * localBytes, threads };
      // Not the process's own arguments: some, such as --input-type, are refused by workers.
      const worker = new Worker(new URL('./worker.js', import.meta.url), { workerData, execArgv: [] });
      worker.on('message', (reply: RunReply) => this.finished(worker, reply));
      worker.on('error', (error: Error) => this.lost(worker, error));
      worker.on('exit', () => this.lost(worker, new Error('a worker thread ended')));
      worker.unref();
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
        const request: RunRequest = { phases, timed: timed && i === 0 };
        worker.postMessage(request);
      }
    });
    return this.times;
  }

  async dispose(): Promise<void> {
    this.broken ??= new Error('wasm: the executor is disposed');
    this.barrier.abort();
    // An idle worker does not keep the process alive, not even to see its own end.
    for (const worker of this.workers) worker.ref();
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }

  private finished(worker: Worker, reply: RunReply): void {
    worker.unref();
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
