/** Clients that send one picture after the other. */

export interface Shot {
  readonly ms: number;
  /** HTTP status; 0 where there was no answer. */
  readonly status: number;
  /** Why there was no answer. */
  readonly cause?: string;
  /** Whether it said when to come again (`Retry-After`). */
  readonly told?: boolean;
}

export interface Picture {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/**
 * `clients` clients for `seconds`, each with one request at a time, over the pictures in turn.
 * @param path with its query.
 * @param every called once a second.
 */
export async function load(
  url: () => string,
  path: string,
  pictures: readonly Picture[],
  clients: number,
  seconds: number,
  every: () => void = () => undefined,
): Promise<Shot[]> {
  const shots: Shot[] = [];
  const end = performance.now() + 1000 * seconds;
  const timer = setInterval(every, 1000);
  let next = 0;
  const client = async (): Promise<void> => {
    while (performance.now() < end) {
      const { bytes } = pictures[next++ % pictures.length];
      const start = performance.now();
      const shot: Omit<Shot, 'ms'> = await fetch(url() + path, {
        method: 'POST',
        body: bytes,
        headers: { accept: 'image/png', 'content-type': 'application/octet-stream' },
      }).then(
        async (response) => {
          await response.arrayBuffer();
          return { status: response.status, told: response.headers.has('retry-after') };
        },
        ({ cause }: { cause?: { code?: string; message?: string } }) => ({
          status: 0,
          cause: cause?.code ?? cause?.message ?? 'unknown',
        }),
      );
      shots.push({ ms: performance.now() - start, ...shot });
      // A client that is told to wait, or meets no server, waits a little.
      if (shot.status !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  clearInterval(timer);
  return shots;
}

/** Milliseconds below which a share of the answered requests stayed. */
export function percentile(shots: readonly Shot[], share: number): number {
  const sorted = shots.filter(({ status }) => status === 200).map(({ ms }) => ms);
  sorted.sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}

/** How many requests ended with each status; those without one by what ended them. */
export function statuses(shots: readonly Shot[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { status, cause } of shots) {
    const name = cause ?? String(status);
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
