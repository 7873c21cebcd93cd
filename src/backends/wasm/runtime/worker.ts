import type { Phase } from '../../../ir/graph.js';
import type { ThreadInit } from './thread.js';
import { Thread } from './thread.js';

export type Request =
  | { readonly kind: 'bind'; readonly init: ThreadInit }
  | { readonly kind: 'run' | 'profile'; readonly phases: readonly Phase[] }
  /** Lets go of the program and its memory. */
  | { readonly kind: 'release' };
/** Answer to `run` and `profile`. `times`: milliseconds per step of a profile. */
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
        const times = request.kind === 'profile' ? new Float64Array(steps) : undefined;
        if (times) thread!.profile(request.phases, times);
        else thread!.run(request.phases);
        reply({ times });
      } catch (error) {
        reply({ error: error instanceof Error ? error.message : String(error) });
      }
    }
  };
}
