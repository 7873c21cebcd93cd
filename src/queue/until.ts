/**
 * Waits for Redis as long as the signal is not aborted, of which it throws the reason: Redis may be gone for long.
 * @returns `until`, and what ends it.
 */
export function untilAborted(signal: AbortSignal | undefined) {
  let abort: () => void = () => undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal?.reason);
  });
  // Nobody may be waiting when it comes.
  aborted.catch(() => undefined);
  signal?.addEventListener('abort', abort);
  if (signal?.aborted) abort();
  return {
    until: <T>(work: Promise<T>): Promise<T> => Promise.race([work, aborted]),
    end: () => signal?.removeEventListener('abort', abort),
  };
}
