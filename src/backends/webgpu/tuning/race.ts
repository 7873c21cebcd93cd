import { median } from '../../../median.js';
import { APART } from '../choices.js';
import type { Candidate } from '../kernels/kernel.js';
import type { Program } from '../program.js';
import type { Contest } from './contest.js';
import { callsAs, mayPart } from './contest.js';
import type { Entry } from './result.js';
import { WARM } from './stopwatch.js';
import type { Track } from './track.js';

/** A pair is joined only where that saves more than this share: less may be noise. */
const WORTH_JOINING = 0.03;
/** Times slower than the fastest so far at its first run, which may have to wait for memory. */
const HOPELESS = 8;
/** Times slower than the fastest after two more; what runs on the CPU is disturbed by everything else there. */
const BEHIND = { gpu: 1.5, software: 2.5 } as const;
/** Milliseconds of one lap at least: shorter kernels are repeated within it. */
const LAP = 0.5;
const ROUNDS = { least: 3, most: 11 } as const;

/** A candidate on the track; `of`: `apart` for two calls that are not joined. */
export interface Entrant extends Entry {
  readonly of: Candidate | typeof APART;
  program?: Program;
}

/**
 * Compiles all candidates of a contest at once.
 * @param apart what either call of a pair takes where they are not joined.
 * @param patience milliseconds after which those that are not ready are left out.
 */
export async function enter(
  track: Track,
  contest: Contest,
  apart: readonly Candidate[],
  patience: number,
): Promise<Entrant[]> {
  const all = mayPart(contest) ? ([APART, ...contest.candidates] as const) : contest.candidates;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not compiled before the time was up')), patience);
  });
  late.catch(() => undefined);
  const entrants = await Promise.all(
    all.map(async (of): Promise<Entrant> => {
      const candidate = of === APART ? APART : of.name;
      try {
        const compiling = track.compile(callsAs(contest, of, apart));
        return { candidate, of, program: await Promise.race([compiling, late]) };
      } catch (error) {
        return { candidate, of, refused: (error as Error).message };
      }
    }),
  );
  clearTimeout(timer);
  return entrants;
}

const lapOf = ({ program }: Entrant, repeat = 1) => ({
  steps: program!.calls.flatMap(({ steps }) => steps),
  repeat,
});

/**
 * Times the entrants: those far behind a few times, the others in turn for some rounds.
 * @param budget milliseconds of the rounds.
 */
export async function race(
  track: Track,
  contest: Contest,
  entrants: readonly Entrant[],
  budget: number,
): Promise<void> {
  const { watch, isSoftware } = track;
  track.fill(contest.contents);
  await watch.warm(WARM);
  let best = Number.POSITIVE_INFINITY;
  for (const entrant of entrants) {
    if (!entrant.program) continue;
    track.once(entrant.program);
    entrant.ms = Number.NaN;
    [entrant.ms] = await watch.time([lapOf(entrant)]);
    best = Math.min(best, entrant.ms);
    if (entrant.ms > HOPELESS * best + 0.01) entrant.dropped = true;
  }
  const alive = () => entrants.filter(({ program, dropped }) => program && !dropped);
  const warmed = alive();
  const once = () => watch.steadily(warmed.map((entrant) => lapOf(entrant)));
  const passes = [await once(), await once()];
  for (const [i, entrant] of warmed.entries()) entrant.ms = Math.min(...passes.map((pass) => pass[i]));
  best = Math.min(...warmed.map(({ ms }) => ms!));
  for (const entrant of warmed) {
    if (entrant.ms! > best * (isSoftware ? BEHIND.software : BEHIND.gpu) + 0.002) entrant.dropped = true;
  }

  const running = alive();
  const laps = running.map((entrant) =>
    lapOf(entrant, Math.min(64, Math.max(1, Math.ceil(LAP / Math.max(1e-3, entrant.ms!))))),
  );
  const round = running.reduce((sum, { ms = 0 }, i) => sum + ms * laps[i].repeat, 0);
  const rounds = Math.max(ROUNDS.least, Math.min(ROUNDS.most, Math.floor(budget / round)));
  const times: number[][] = running.map(() => []);
  for (let k = 0; k < rounds; k++) {
    // Each begins once: what ran before leaves its mark in the caches.
    const order = laps.map((_, i) => (i + k) % laps.length);
    const measured = await watch.steadily(order.map((i) => laps[i]));
    for (const [at, i] of order.entries()) times[i].push(measured[at]);
  }
  for (const [i, entrant] of running.entries()) {
    entrant.ms = median(times[i]);
    entrant.range = [Math.min(...times[i]), Math.max(...times[i])];
  }
}

/** The fastest; of two calls, joined only where it is worth it. */
export function winnerOf(entrants: readonly Entrant[]): string | undefined {
  const score = ({ ms, of }: Entrant) => ms! * (of === APART ? 1 - WORTH_JOINING : 1);
  const able = entrants.filter(({ range, refused }) => range && !refused);
  if (able.length === 0) return undefined;
  return able.reduce((a, b) => (score(b) < score(a) ? b : a)).candidate;
}
