/// <reference types="@webgpu/types" />
import { median } from '../../../median.js';
import { APART, Choices, signatureOf } from '../choices.js';
import { Gpu } from '../device.js';
import { describeAdapter } from '../devices.js';
import type { Candidate } from '../kernels/kernel.js';
import type { Ways } from '../lowering.js';
import { everyWay } from '../lowering.js';
import type { Program } from '../program.js';
import type { Contest } from './contest.js';
import { arenaBytesOf, callsAs, contestsOf } from './contest.js';
import type { Entry, Race, Tuned, TuneWork } from './result.js';
import { callsText } from './result.js';
import { Track } from './track.js';

export interface TuneOptions extends TuneWork {
  /** The adapter, anew at each call: a device that a candidate has lost is opened again. */
  adapter(): Promise<GPUAdapter>;
  /** Default every kernel's. */
  readonly ways?: Ways;
}

/** A pair is joined only where that saves more than this share: less may be noise. */
const WORTH_JOINING = 0.03;
/** Times slower than the fastest so far: at its first run, at its second. */
const HOPELESS = [8, 2.5] as const;
/** Milliseconds of one lap at least: shorter kernels are repeated within it. */
const LAP = 0.5;
const ROUNDS = { least: 3, most: 11 } as const;
/** Contests whose shaders are compiled while another is timed. */
const AHEAD = 6;

interface Entrant extends Entry {
  readonly of: Candidate | typeof APART;
  program?: Program;
}

/** Measures every candidate of every call of the plans, each distinct call once, and takes the fastest. */
export async function tune(options: TuneOptions): Promise<Tuned> {
  const started = performance.now();
  const { seconds = 60, onProgress, ways = everyWay } = options;
  const left = () => seconds * 1000 - (performance.now() - started);
  const adapter = await options.adapter();
  const { isSoftware } = describeAdapter(adapter);
  let gpu = await Gpu.open(adapter);
  const { name: device, capabilities: able } = gpu;
  const contests = contestsOf(able, options.plans, ways);
  const arenaBytes = Math.max(256, ...contests.map((contest) => arenaBytesOf(contest, able, ways)));
  let track = await Track.open(gpu, arenaBytes, ways);
  const choices = new Choices();
  const races: Race[] = [];

  const apartOf = ({ calls }: Contest): Candidate[] =>
    calls.map((call) => {
      const candidates = ways.of(call, able);
      const name = choices.of(signatureOf(call));
      return candidates.find((candidate) => candidate.name === name) ?? candidates[0];
    });
  /** Shaders under way. Of pairs they are known when all single calls are measured. */
  const compiled = new Map<Contest, Promise<Entrant[]>>();
  const compile = (contest: Contest): Promise<Entrant[]> => {
    let entrants = compiled.get(contest);
    if (!entrants) {
      entrants = enter(track, contest, apartOf(contest));
      compiled.set(contest, entrants);
    }
    return entrants;
  };
  try {
    for (const [i, contest] of contests.entries()) {
      onProgress?.(i, contests.length, callsText(contest));
      const fallback = contest.calls.length === 2 ? APART : contest.candidates[0].name;
      if (left() <= 0) {
        races.push({ contest, entries: [], chosen: fallback });
        continue;
      }
      // Compiling beside them would slow the kernels of an adapter that runs on the CPU.
      const ahead = isSoftware ? 1 : AHEAD;
      for (const next of contests.slice(i, i + ahead)) {
        if (next.calls.length === contest.calls.length) compile(next);
      }
      const entrants = await compile(contest);
      compiled.delete(contest);
      const budget = Math.min(1000, Math.max(20, left() / (contests.length - i)));
      try {
        await race(track, contest, entrants, budget);
      } catch (error) {
        // The device is gone with all that was compiled; who ran last is to blame.
        const last = entrants.findLast(({ ms }) => ms !== undefined) ?? entrants[0];
        last.refused = (error as Error).message;
        track.close();
        compiled.clear();
        gpu = await Gpu.open(await options.adapter());
        track = await Track.open(gpu, arenaBytes, ways);
      }
      for (const { program } of entrants) program?.starts.destroy();
      const chosen = winnerOf(entrants) ?? fallback;
      choices.set(contest.signature, chosen);
      const entries = entrants.map(({ of: _, program: __, ...entry }) => entry);
      races.push({ contest, entries, chosen });
    }
  } finally {
    track.close();
  }
  return { device, choices, races, seconds: (performance.now() - started) / 1000 };
}

/** Compiles all candidates of a contest at once. */
async function enter(track: Track, contest: Contest, apart: readonly Candidate[]): Promise<Entrant[]> {
  const all = contest.calls.length === 2 ? ([APART, ...contest.candidates] as const) : contest.candidates;
  return Promise.all(
    all.map(async (of): Promise<Entrant> => {
      const candidate = of === APART ? APART : of.name;
      try {
        return { candidate, of, program: await track.compile(callsAs(contest, of, apart)) };
      } catch (error) {
        return { candidate, of, refused: (error as Error).message };
      }
    }),
  );
}

/** Times the entrants: those far behind twice, the others in turn for a few rounds. */
async function race(track: Track, contest: Contest, entrants: Entrant[], budget: number): Promise<void> {
  track.fill(contest.contents);
  const lapOf = ({ program }: Entrant, repeat = 1) => ({
    steps: program!.calls.flatMap(({ steps }) => steps),
    repeat,
  });
  let best = Number.POSITIVE_INFINITY;
  const running: Entrant[] = [];
  for (const entrant of entrants) {
    if (!entrant.program) continue;
    track.once(entrant.program);
    for (const hopeless of HOPELESS) {
      entrant.ms = Number.NaN;
      [entrant.ms] = await track.watch.time([lapOf(entrant)]);
      if (entrant.ms > hopeless * best + 0.01) {
        entrant.dropped = true;
        break;
      }
    }
    best = Math.min(best, entrant.ms!);
    if (!entrant.dropped) running.push(entrant);
  }
  const laps = running.map((entrant) =>
    lapOf(entrant, Math.min(64, Math.max(1, Math.ceil(LAP / Math.max(1e-3, entrant.ms!))))),
  );
  const round = running.reduce((sum, { ms = 0 }, i) => sum + ms * laps[i].repeat, 0);
  const rounds = Math.max(ROUNDS.least, Math.min(ROUNDS.most, Math.floor(budget / round)));
  const times: number[][] = running.map(() => []);
  for (let k = 0; k < rounds; k++) {
    // Each begins once: what ran before leaves its mark in the caches.
    const order = laps.map((_, i) => (i + k) % laps.length);
    const measured = await track.watch.time(order.map((i) => laps[i]));
    for (const [at, i] of order.entries()) times[i].push(measured[at]);
  }
  running.forEach((entrant, i) => {
    entrant.ms = median(times[i]);
    entrant.range = [Math.min(...times[i]), Math.max(...times[i])];
  });
}

/** The fastest; of two calls, joined only where it is worth it. */
function winnerOf(entrants: readonly Entrant[]): string | undefined {
  const score = ({ ms, of }: Entrant) => ms! * (of === APART ? 1 - WORTH_JOINING : 1);
  const able = entrants.filter(({ ms, refused }) => ms !== undefined && !Number.isNaN(ms) && !refused);
  if (able.length === 0) return undefined;
  return able.reduce((a, b) => (score(b) < score(a) ? b : a)).candidate;
}
