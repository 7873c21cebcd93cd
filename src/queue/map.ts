import type { z } from 'zod';
import { UserError } from '../errors.js';
import { isRefusal, queueError } from './connection.js';
import type { Kind } from './contract.js';
import { mostItems } from './contract.js';
import { Coordinator } from './coordinator.js';
import { untilAborted } from './until.js';

/** Seconds without any result after which what is missing is handed out again, at least. */
const leastPatience = 2;
/** The same as a multiple of the longest recent wait. */
const patience = 4;
/** Seconds of it until the first result: workers make ready. */
const firstPatience = 10;
/** Jobs that are handed out at a time. */
const mostJobs = 256;
/** Milliseconds between looks at whether Redis still has the run. */
const lookMs = 2000;

/** A list whose items workers turn into results. */
export interface MapSpec<Job extends object, Result extends { readonly index: number }> {
  readonly kind: Exclude<Kind, 'gradients'>;
  readonly setup: object;
  /** The file of the model. */
  readonly model: Buffer;
  /** Items of the list. */
  readonly count: number;
  /** Items a job. */
  readonly chunk: number;
  /** The job of some items. */
  job(run: string, first: number, count: number): Job;
  readonly result: z.ZodType<Result>;
}

/** What a coordinator has seen, for people and tests. */
export interface MapCounts {
  /** Jobs handed out again, because nothing came back. */
  resent: number;
  /** Times that Redis had lost what was in it. */
  refilled: number;
  /** Results that came a second time. */
  duplicates: number;
}

/** A map over a list by workers behind a queue: every item gives one result, whichever worker made it, however often. */
export class QueueMap<Job extends object, Result extends { readonly index: number }> {
  readonly counts: MapCounts = { resent: 0, refilled: 0, duplicates: 0 };
  private readonly done: Uint8Array;
  /** Items without a result, of each chunk that is handed out. */
  private readonly open = new Map<number, number>();
  private next = 0;
  private left: number;
  private readonly waits: number[] = [];

  private constructor(
    private readonly url: string,
    private readonly spec: MapSpec<Job, Result>,
    private readonly coordinator: Coordinator<Job>,
  ) {
    this.done = new Uint8Array(spec.count);
    this.left = spec.count;
  }

  /** @param tell is told what a person should know. @throws UserError where no Redis answers. */
  static async open<Job extends object, Result extends { readonly index: number }>(
    url: string,
    spec: MapSpec<Job, Result>,
    tell: (message: string) => void,
  ): Promise<QueueMap<Job, Result>> {
    if (!(spec.chunk >= 1 && spec.chunk <= mostItems))
      throw new UserError(`chunk is ${spec.chunk}; expected 1 to ${mostItems}`, 2);
    return new QueueMap(url, spec, await Coordinator.open<Job>(url, spec.kind, spec, tell));
  }

  /** Workers that were connected a moment ago. */
  get workers(): number {
    return this.coordinator.workers;
  }

  /**
   * The results as they come. Ends early where the signal aborts: what nobody has begun is taken back by {@link close}.
   * @throws UserError where Redis refuses, such as when it is full.
   */
  async *results(signal?: AbortSignal): AsyncGenerator<Result> {
    const { coordinator, waits } = this;
    const { redis, waiting, keys } = coordinator;
    const { until, end } = untilAborted(signal);
    try {
      await until(coordinator.publish());
      let [last, looked] = [performance.now(), performance.now()];
      while (this.left > 0 && !signal?.aborted) {
        await until(this.handMore());
        // A second at most: what wakes may have been lost with Redis.
        const woken = await until(waiting.blpop(keys.done, 1).catch(() => null));
        const texts = woken ? [woken[1], ...((await until(redis.lpop(keys.done, mostItems))) ?? [])] : [];
        for (const text of texts) {
          const result = this.take(text);
          if (!result) continue;
          // Not that of the first: until then workers made ready.
          if (this.left < this.spec.count - 1) waits.push(performance.now() - last);
          if (waits.length > 100) waits.shift();
          last = performance.now();
          yield result;
        }
        if (this.left === 0 || performance.now() - looked < lookMs) continue;
        looked = performance.now();
        await until(coordinator.tellRefusals());
        if (await until(coordinator.isLost(keys.model))) {
          this.counts.refilled++;
          coordinator.tell('Redis has lost its content; handing out again what is missing');
          await until(coordinator.publish());
          await until(this.hand([...this.open.keys()]));
          last = performance.now();
          continue;
        }
        const silence = performance.now() - last;
        if (silence < 1000 * leastPatience) continue;
        coordinator.tellLonely();
        if (silence < (waits.length > 0 ? patience * Math.max(...waits) : 1000 * firstPatience)) continue;
        const silent = await until(coordinator.jobs.silent([...this.open.keys()]));
        this.counts.resent += silent.length;
        if (silent.length > 0) coordinator.tellSilent(`${silent.length} of ${this.open.size} jobs`, silence);
        await until(this.hand(silent));
        last = performance.now();
      }
    } catch (error) {
      if (isRefusal(error)) throw queueError(this.url, error);
      if (!signal?.aborted || error !== signal.reason) throw error;
    } finally {
      end();
    }
  }

  close(): Promise<void> {
    return this.coordinator.close();
  }

  private async handMore(): Promise<void> {
    const { chunk, count } = this.spec;
    const fresh: number[] = [];
    while (this.open.size < mostJobs && this.next * chunk < count) {
      const key = this.next++;
      this.open.set(key, Math.min(chunk, count - key * chunk));
      fresh.push(key);
    }
    await this.hand(fresh);
  }

  private hand(keys: readonly number[]): Promise<void> {
    const { chunk, count } = this.spec;
    const { jobs, id } = this.coordinator;
    return jobs.hand(
      keys.map((key) => [key, this.spec.job(id, key * chunk, Math.min(chunk, count - key * chunk))] as const),
    );
  }

  /** @returns undefined for what is no result of this list, or came before. */
  private take(text: string): Result | undefined {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch {
      return undefined;
    }
    const { success, data } = this.spec.result.safeParse(value);
    if (!success || data.index >= this.spec.count) return undefined;
    const key = Math.floor(data.index / this.spec.chunk);
    if (this.done[data.index]) {
      this.counts.duplicates++;
      return undefined;
    }
    const missing = this.open.get(key);
    // Nobody was asked for it.
    if (missing === undefined) return undefined;
    this.done[data.index] = 1;
    this.left--;
    const remaining = missing - 1;
    this.open.set(key, remaining);
    if (remaining === 0) {
      this.open.delete(key);
      this.coordinator.jobs.forget(key);
    }
    return data;
  }
}
