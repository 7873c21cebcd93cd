import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort } from 'node:worker_threads';
import { UserError } from '../errors.js';
import { runTask, type Task, transferable } from './tasks.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options?: { type: 'minor' }) => void;

/**
 * Pixels decoded between collections of the young generation (one millisecond), and of everything (ten and more). What
 * decoding leaves lies outside the heap, where it urges nobody.
 */
const pixelsPerMinor = 1 << 19;
const pixelsPerMajor = 1 << 21;
let sinceMinor = 0;
let sinceMajor = 0;

function collectAfter(pixels: number): void {
  sinceMinor += pixels;
  sinceMajor += pixels;
  if (sinceMinor < pixelsPerMinor) return;
  const all = sinceMajor >= pixelsPerMajor;
  if (all) collectGarbage();
  else collectGarbage({ type: 'minor' });
  sinceMinor = 0;
  if (all) sinceMajor = 0;
}

/** Tasks run strictly one after the other. */
let last: Promise<void> = Promise.resolve();

parentPort?.on('message', ({ id, task }: { id: number; task: Task }) => {
  last = last.then(async () => {
    try {
      const result = await runTask(task);
      parentPort?.postMessage({ id, result }, transferable(result));
      if (task.kind === 'load') collectAfter(task.place.height * task.place.width);
    } catch (error) {
      const { message, stack } = error as Error;
      parentPort?.postMessage({
        id,
        error: { message, stack, exitCode: error instanceof UserError ? error.exitCode : undefined },
      });
    }
  });
});
