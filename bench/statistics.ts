import { setTimeout as sleep } from 'node:timers/promises';
import { median } from '../src/median.js';

/** Ratio of two programs timed in turn: median of the pairwise ratios, and their smallest and largest. */
export function ratio(
  peer: readonly number[],
  ours: readonly number[],
): { median: number; min: number; max: number } {
  const ratios = ours.map((ms, i) => peer[i] / ms);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}

/**
 * Runs contestants in turn, one warm-up round first, and returns the milliseconds of each by name. Whoever returns
 * `undefined` is out of the race, and has no times.
 * @param pauseMs milliseconds before each run: thread pools of other programs go on spinning for up to a fifth of a second
 * after theirs, and took up to 15 % from whoever came next.
 */
export async function race(
  contestants: Readonly<Record<string, () => Promise<number | undefined>>>,
  rounds: number,
  pauseMs = 0,
): Promise<Record<string, number[]>> {
  const times: Record<string, number[]> = Object.fromEntries(
    Object.keys(contestants).map((name) => [name, []]),
  );
  for (let round = -1; round < rounds; round++) {
    for (const [name, run] of Object.entries(contestants)) {
      if (!times[name]) continue;
      await sleep(pauseMs);
      const ms = await run();
      if (ms === undefined) delete times[name];
      else if (round >= 0) times[name].push(ms);
    }
  }
  return times;
}
