import { median } from '../src/median.js';

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
