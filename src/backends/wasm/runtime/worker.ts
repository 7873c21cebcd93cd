import type { Phase } from '../../../ir/graph.js';
import { Finish } from './finish.js';
import type { ThreadInit } from './thread.js';
import { Thread } from './thread.js';

export type Request =
  /** `tells`: says by a message when all threads have ended a run, for those that cannot await it in memory. */
  | { readonly kind: 'bind'; readonly init: ThreadInit; readonly tells: boolean }
  /** `run`: its number. */
  | { readonly kind: 'run' | 'profile'; readonly run: number; readonly phases: readonly Phase[] }
  /** Lets go of the program and its memory. */
  | { readonly kind: 'release' };

/** What a thread says of a run. */
export interface Told {
  readonly run: number;
  /** Why a kernel failed. */
  readonly error?: string;
  /** Milliseconds per step of a profile, from the thread that ends last. */
  readonly times?: Float64Array;
}

interface Bound {
  readonly thread: Thread;
  readonly finish: Finish;
  readonly steps: number;
  readonly tells: boolean;
}

/** What a worker thread does with requests. It serves one executor after another: `bind`, any number of `run`, `release`. */
export function server(tell: (told: Told) => void): (request: Request) => void {
  let bound: Bound | undefined;
  return (request) => {
    if (request.kind === 'release') bound = undefined;
    else if (request.kind === 'bind') {
      const { init, tells } = request;
      const finish = new Finish(init.memory.buffer as unknown as SharedArrayBuffer, init.threads);
      bound = { thread: new Thread(init), finish, steps: init.steps.length, tells };
    } else {
      const { thread, finish, steps, tells } = bound!;
      const { run, phases } = request;
      const times = request.kind === 'profile' ? new Float64Array(steps) : undefined;
      try {
        if (times) thread.profile(phases, times);
        else thread.run(phases);
        if (finish.end(false) && (tells || times)) tell({ run, times });
      } catch (error) {
        finish.end(true);
        tell({ run, error: error instanceof Error ? error.message : String(error) });
      }
    }
  };
}
