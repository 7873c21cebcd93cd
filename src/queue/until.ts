/**
 * Waits for Redis as long as the signal is not aborted, of which it throws the reason: Redis may be gone for long.
 * @returns `until`, and what ends it.
 */
export function untilAborted(signal: AbortSignal | undefined) {
  // Not `Promise.race` with one promise for all: it would hold the result of every wait until the end.
  const waiting = new Set<(reason: unknown) => void>();
  const abort = () => {
    for (const reject of waiting) reject(signal?.reason);
  };
  signal?.addEventListener('abort', abort);
  return {
    until: <T>(work: Promise<T>): Promise<T> =>
      new Promise<T>((resolve, reject) => {
        waiting.add(reject);
        const done = () => waiting.delete(reject);
        work.then(resolve, reject).then(done);
        if (signal?.aborted) reject(signal.reason);
      }),
    end: () => signal?.removeEventListener('abort', abort),
  };
}
