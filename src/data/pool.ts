import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { type ResultOf, runTask, type Task } from './tasks.js';

interface Waiting {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
  worker: number;
}

interface Answer {
  id: number;
  result?: unknown;
  error?: { message: string; stack?: string; exitCode?: 1 | 2 };
}

/**
 * A few threads that decode and augment. Tasks are handed out at once to the thread with the fewest waiting,
 * so threads go on while the main thread computes and cannot answer messages. With 0 threads, tasks run on
 * the calling thread.
 */
export class Pool {
  private readonly workers: Worker[] = [];
  private readonly load: number[] = [];
  private readonly waiting = new Map<number, Waiting>();
  private next = 0;
  private closed = false;
  private last: Promise<unknown> = Promise.resolve();

  /** @param size threads; default half the cores, 1 to 4. */
  constructor(readonly size: number = defaultWorkers()) {
    if (!Number.isInteger(size) || size < 0 || size > 64) {
      throw new UserError(`workers is ${size}; expected a whole number from 0 to 64`, 2);
    }
  }

  /** Runs one task. @throws UserError of the task, as if it ran here. */
  run<T extends Task>(task: T): Promise<ResultOf<T>> {
    if (this.closed) return Promise.reject(new Error('the pool is closed'));
    if (this.size === 0) {
      // One after the other, as in a thread: each holds pixels.
      const result = this.last.then(() => runTask(task));
      this.last = result.catch(() => undefined);
      return result;
    }
    this.start();
    const worker = this.load.indexOf(Math.min(...this.load));
    const id = this.next++;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve: resolve as (value: never) => void, reject, worker });
      this.load[worker]++;
      this.workers[worker].ref();
      this.workers[worker].postMessage({ id, task });
    });
  }

  /** Ends the threads; tasks still waiting are rejected. */
  async close(): Promise<void> {
    this.closed = true;
    const error = new Error('the pool was closed');
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
    await Promise.all(this.workers.map((worker) => worker.terminate()));
    this.workers.length = 0;
  }

  private start(): void {
    while (this.workers.length < this.size) {
      const index = this.workers.length;
      // Pictures live outside the heap: a small young generation keeps the garbage beside them small too.
      const worker = new Worker(new URL('./worker.js', import.meta.url), {
        // Not the process's own arguments: some, such as --input-type, are refused by workers.
        execArgv: [],
        resourceLimits: { maxYoungGenerationSizeMb: 4 },
      });
      worker.on('message', (answer: Answer) => this.settle(answer));
      worker.on('error', (error) => this.fail(index, error as Error));
      worker.on('exit', (code) => this.fail(index, new Error(`a data worker ended early (code ${code})`)));
      // An idle pool must not keep the process alive.
      worker.unref();
      this.workers.push(worker);
      this.load.push(0);
    }
  }

  private settle({ id, result, error }: Answer): void {
    const waiting = this.waiting.get(id);
    if (!waiting) return;
    this.waiting.delete(id);
    if (--this.load[waiting.worker] === 0) this.workers[waiting.worker]?.unref();
    if (!error) waiting.resolve(result as never);
    else if (error.exitCode !== undefined) waiting.reject(new UserError(error.message, error.exitCode));
    else waiting.reject(Object.assign(new Error(error.message), { stack: error.stack }));
  }

  private fail(index: number, error: Error): void {
    for (const [id, { reject, worker }] of this.waiting) {
      if (worker !== index) continue;
      this.waiting.delete(id);
      reject(error);
    }
  }
}

/** Half the cores, at least 1 and at most 4: the other half trains. */
export function defaultWorkers(): number {
  return Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)));
}
