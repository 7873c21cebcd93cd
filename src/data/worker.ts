import { parentPort } from 'node:worker_threads';
import sharp from 'sharp';
import { UserError } from '../errors.js';
import { runTask, type Task, transferable } from './tasks.js';

// One decode at a time per worker: the pool is the parallelism, and caches would only hold memory.
sharp.concurrency(1);
sharp.cache(false);

/** Tasks run strictly one after the other. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', ({ id, task }: { id: number; task: Task }) => {
  last = last.then(async () => {
    try {
      const result = await runTask(task);
      parentPort?.postMessage({ id, result }, transferable(result));
    } catch (error) {
      const { message, stack } = error as Error;
      parentPort?.postMessage({
        id,
        error: { message, stack, exitCode: error instanceof UserError ? error.exitCode : undefined },
      });
    }
  });
});
