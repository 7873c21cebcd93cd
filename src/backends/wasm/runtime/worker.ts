import { Calls } from './calls.js';
import type { ThreadInit } from './thread.js';
import { Thread } from './thread.js';

/** To serve an executor until it lets go. */
export interface Request {
  readonly init: ThreadInit;
  /** Whether the end of every call is told, for those that cannot wait for memory. */
  readonly tells: boolean;
}

/** What a thread says of a call. */
export interface Told {
  readonly call: number;
  /** Why a kernel failed. */
  readonly error?: string;
  /** Milliseconds of each step, from the last thread, where the call is timed. */
  readonly times?: Float64Array;
}

/** What a worker thread does with requests. Between calls it waits on the executor's memory. */
export function server(tell: (told: Told) => void): (request: Request) => void {
  return ({ init, tells }) => {
    const thread = new Thread(init);
    const calls = new Calls(init.memory.buffer as unknown as SharedArrayBuffer, init.threads);
    for (let order = calls.next(); order; order = calls.next()) {
      const { count: call } = calls;
      const times = order.timed ? new Float64Array(init.steps.length) : undefined;
      try {
        if (times) thread.profile(order.phases, times);
        else thread.run(order.phases);
        if (calls.end(false) && (tells || times)) tell({ call, times });
      } catch (error) {
        calls.end(true);
        tell({ call, error: error instanceof Error ? error.message : String(error) });
      }
    }
  };
}
