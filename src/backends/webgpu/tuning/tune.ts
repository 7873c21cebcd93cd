/// <reference types="@webgpu/types" />
import { APART, Choices, signatureOf } from '../choices.js';
import { Gpu } from '../device.js';
import { everyWay } from '../kernels/index.js';
import type { Candidate } from '../kernels/kernel.js';
import type { Ways } from '../lowering.js';
import type { Contest } from './contest.js';
import { arenaBytesOf, contestsOf, kinOf, mayPart } from './contest.js';
import type { Entrant } from './race.js';
import { enter, race, winnerOf } from './race.js';
import type { Race, Tuned, TuneWork } from './result.js';
import { callsText } from './result.js';
import { Track } from './track.js';

export interface TuneOptions extends TuneWork {
  /** The adapter, anew at each call: a device that a candidate has lost is opened again. */
  adapter(): Promise<GPUAdapter>;
  /** Default every kernel's. */
  readonly ways?: Ways;
}

/** Contests that are compiled before they are timed; on adapters that run on the CPU one, as time may be up after it. */
const BATCH = 40;
/** Milliseconds of rounds for one contest at most. */
const MOST_ROUNDS = 300;

/** Measures every candidate of every call of the plans, each distinct call once, and takes the fastest. */
export async function tune(options: TuneOptions): Promise<Tuned> {
  const tuner = new Tuner(options, await Gpu.open(await options.adapter()));
  try {
    return await tuner.run();
  } finally {
    tuner.close();
  }
}

class Tuner {
  private readonly started = performance.now();
  private readonly ways: Ways;
  private readonly contests: readonly Contest[];
  private readonly arenaBytes: number;
  private readonly choices = new Choices();
  private readonly races = new Map<Contest, Race>();
  /** Of contests with fewer candidates: those they were made of. */
  private readonly origins = new Map<Contest, Contest>();
  private track?: Track;

  constructor(
    private readonly options: TuneOptions,
    private gpu: Gpu,
  ) {
    const { ways = everyWay, plans } = options;
    this.ways = ways;
    this.contests = contestsOf(gpu.capabilities, plans, ways);
    this.arenaBytes = Math.max(
      256,
      ...this.contests.map((contest) => arenaBytesOf(contest, gpu.capabilities, ways)),
    );
  }

  /** Milliseconds that are left. */
  private get left(): number {
    return (this.options.seconds ?? 60) * 1000 - (performance.now() - this.started);
  }

  async run(): Promise<Tuned> {
    this.track = await Track.open(this.gpu, this.arenaBytes, this.ways);
    const { contests, choices } = this;
    const kin = new Map<string, Contest>();
    for (const contest of contests) if (!kin.has(kinOf(contest))) kin.set(kinOf(contest), contest);
    const firsts = contests.filter((contest) => kin.get(kinOf(contest)) === contest);
    const others = contests.filter((contest) => !firsts.includes(contest));
    const single = ({ calls }: Contest) => calls.length === 1;
    // Of two calls that may run as one, it is known how fast they are apart when all single calls are measured.
    const orders = [single, (contest: Contest) => !single(contest)];
    for (const which of orders) {
      await this.measure(firsts.filter(which));
      for (const contest of others.filter(which)) this.inherit(contest, kin.get(kinOf(contest))!);
    }
    // What is nearly the same comes last: it has a choice already, if the time should be up.
    for (const which of orders) {
      await this.measure(
        others.filter(which).map((contest) => this.without(contest, kin.get(kinOf(contest))!)),
      );
    }
    return {
      device: this.gpu.name,
      choices,
      races: contests.map((contest) => this.races.get(contest) ?? this.unmeasured(contest)),
      seconds: (performance.now() - this.started) / 1000,
    };
  }

  close(): void {
    if (this.track) this.track.close();
    else this.gpu.device.destroy();
  }

  /** A contest takes, until it is measured, what the first of its kin took. */
  private inherit({ signature, candidates }: Contest, first: Contest): void {
    const name = this.choices.of(first.signature);
    if (name === APART || candidates.some((candidate) => candidate.name === name)) {
      this.choices.set(signature, name!);
    }
  }

  /** A contest without the candidates that were far behind in one of the same kin. */
  private without(contest: Contest, first: Contest): Contest {
    const entries = this.races.get(first)?.entries ?? [];
    const behind = new Set(
      entries.flatMap(({ candidate, dropped, refused }) => (dropped || refused ? [candidate] : [])),
    );
    const candidates = contest.candidates.filter(({ name }) => !behind.has(name));
    const reduced = { ...contest, candidates };
    this.origins.set(reduced, contest);
    return reduced;
  }

  /** Compiles contests and times them, a batch at a time, until the time is up. */
  private async measure(contests: readonly Contest[]): Promise<void> {
    const batch = this.track!.isSoftware ? 1 : BATCH;
    for (let at = 0; at < contests.length && this.left > 0; at += batch) {
      const some = contests.slice(at, at + batch);
      this.tell(some[0]);
      const entered = await Promise.all(some.map((contest) => this.enter(contest)));
      for (const [i, contest] of some.entries()) {
        if (i > 0) this.tell(contest);
        // After a device is lost its programs are, too.
        const own = this.track!.owns(entered[i]) ? entered[i] : await this.enter(contest);
        await this.raceOf(contest, own);
      }
    }
  }

  private enter(contest: Contest): Promise<Entrant[]> {
    return enter(this.track!, contest, this.apart(contest), Math.max(0, this.left));
  }

  private tell(contest: Contest): void {
    this.options.onProgress?.(this.races.size, this.contests.length, callsText(contest));
  }

  private async raceOf(contest: Contest, entrants: readonly Entrant[]): Promise<void> {
    const budget = this.left / Math.max(1, this.contests.length - this.races.size);
    try {
      await race(this.track!, contest, entrants, Math.min(MOST_ROUNDS, Math.max(10, budget)));
    } catch (error) {
      // The device is gone; who ran last is to blame.
      const last = entrants.findLast(({ ms }) => ms !== undefined) ?? entrants[0];
      last.refused = (error as Error).message;
      this.close();
      this.gpu = await Gpu.open(await this.options.adapter());
      this.track = await Track.open(this.gpu, this.arenaBytes, this.ways);
    }
    for (const { program } of entrants) program?.starts.destroy();
    const chosen = winnerOf(entrants) ?? this.fallback(contest);
    this.choices.set(contest.signature, chosen);
    const entries = entrants.map(({ of: _, program: __, ...entry }) => entry);
    const origin = this.origins.get(contest) ?? contest;
    this.races.set(origin, { contest: origin, entries, chosen });
  }

  /** What each call of a contest takes by itself. */
  private apart({ calls }: Contest): Candidate[] {
    return calls.map((call) => {
      const candidates = this.ways.of(call, this.gpu.capabilities);
      const name = this.choices.of(signatureOf(call));
      return candidates.find((candidate) => candidate.name === name) ?? candidates[0];
    });
  }

  private fallback(contest: Contest): string {
    const inherited = this.choices.of(contest.signature);
    if (inherited !== undefined) return inherited;
    return mayPart(contest) ? APART : contest.candidates[0].name;
  }

  private unmeasured(contest: Contest): Race {
    return { contest, entries: [], chosen: this.fallback(contest) };
  }
}
