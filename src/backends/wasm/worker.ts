/** Entry of a worker thread in Node: receives phases to run, answers when every thread has run them. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Phase } from '../../graph/ir.js';
import type { ThreadInit } from './thread.js';
import { Thread } from './thread.js';

export interface RunRequest {
  readonly phases: readonly Phase[];
  readonly timed: boolean;
}
/** `times`: milliseconds per step, where asked for. */
export type RunReply = { readonly times?: Float64Array } | { readonly error: string };

const init = workerData as ThreadInit;
const thread = new Thread(init);
const port = parentPort!;
const reply = (message: RunReply) => port.postMessage(message);

port.on('message', ({ phases, timed }: RunRequest) => {
  try {
    const times = timed ? new Float64Array(init.steps.length) : undefined;
    thread.run(phases, times);
    reply({ times });
  } catch (error) {
    reply({ error: error instanceof Error ? error.message : String(error) });
  }
});
