import type { Phase } from '../../../ir/graph.js';
import type { ThreadInit } from './thread.js';
import { Thread } from './thread.js';

export type Request =
  | { readonly kind: 'bind'; readonly init: ThreadInit }
  | { readonly kind: 'run'; readonly phases: readonly Phase[]; readonly timed: boolean }
  /** Lets go of the program and its memory. */
  | { readonly kind: 'release' };
/** Answer to `run`. `times`: milliseconds per step, where asked for. */
export type RunReply = { readonly times?: Float64Array } | { readonly error: string };

/** What a worker thread does with requests. It serves one executor after another: `bind`, any number of `run`, `release`. */
export function server(reply: (message: RunReply) => void): (request: Request) => void {
  let thread: Thread | undefined;
  let steps = 0;
  return (request) => {
    if (request.kind === 'release') thread = undefined;
    else if (request.kind === 'bind') {
      thread = new Thread(request.init);
      steps = request.init.steps.length;
    } else {
      try {
        const times = request.timed ? new Float64Array(steps) : undefined;
        thread!.run(request.phases, times);
        reply({ times });
      } catch (error) {
        reply({ error: error instanceof Error ? error.message : String(error) });
      }
    }
  };
}
