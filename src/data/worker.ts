import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { runTask, type Task, transferable } from './tasks.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Pixels decoded between collections. What decoding leaves lies outside the heap, where it urges nobody. */
const pixelsPerCollection = 1 << 21;
let pixels = 0;

/** Tasks run strictly one after the other. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', ({ id, task }: { id: number; task: Task }) => {
  last = last.then(async () => {
    try {
      const result = await runTask(task);
      parentPort?.postMessage({ id, result }, transferable(result));
      if (task.kind === 'load') pixels += task.place.height * task.place.width;
      if (pixels >= pixelsPerCollection) {
        collectGarbage();
        pixels = 0;
      }
    } catch (error) {
      const { message, stack } = error as Error;
      parentPort?.postMessage({
        id,
        error: { message, stack, exitCode: error instanceof UserError ? error.exitCode : undefined },
      });
    }
  });
});
