/** Middle of a list; mean of the two middle ones where even. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/** Ratio of two programs timed in turn: median of the pairwise ratios, and their smallest and largest. */
export function ratio(
  peer: readonly number[],
  ours: readonly number[],
): { median: number; min: number; max: number } {
  const ratios = ours.map((ms, i) => peer[i] / ms);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/** Runs contestants in turn, one warm-up round first, and returns the milliseconds of each by name. */
export async function race(
  contestants: Readonly<Record<string, () => Promise<number>>>,
  rounds: number,
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = Object.fromEntries(
    Object.keys(contestants).map((name) => [name, []]),
  );
  for (let round = -1; round < rounds; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      const ms = await run();
      if (round >= 0) times[name].push(ms);
    }
  }
  return times;
}
