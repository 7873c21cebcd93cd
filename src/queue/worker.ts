import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { UserError } from '../errors.js';
import { connectRedis, isFull, queuePackages, shownUrl, watchRedis } from './connection.js';
import type { Kind } from './contract.js';
import { anyJob, keptSeconds, keysOf, queues } from './contract.js';
import type { Bench, Session, Task } from './task.js';

/** Bounds of how long a job may go without a sign of its worker, milliseconds. */
const leastLease = 3000;
const mostLease = 30_000;
/** The same as a multiple of the longest recent job. */
const leasePerJob = 3;

export interface WorkerOptions extends Omit<Bench, 'redis' | 'concurrency'> {
  /** Address of Redis. */
  readonly url: string;
  readonly tasks: readonly Task[];
  /** Jobs at a time; default 1. */
  readonly concurrency?: number;
}

/** What a worker does at the moment. */
export interface WorkerState {
  readonly state: 'working' | 'waiting' | 'draining' | 'no Redis';
  readonly done: number;
  readonly running: number;
}

/** One job at a time, and what is ready for the run it belongs to. */
interface Seat {
  run?: string;
  kind?: Kind;
  session?: Session<{ run: string }>;
}

/**
 * Takes jobs of coordinators and computes them, several at a time. Kernels run in threads of their own, so the event
 * loop is free to renew a job's lock, however long it takes; the lock itself follows the measured length of jobs, so
 * that what a dead worker had is handed on soon.
 */
export class QueueWorker {
  private refused: ((error: UserError) => void) | undefined;
  private readonly free: Seat[];
  private readonly wanting: ((seat: Seat) => void)[] = [];
  private readonly workers: Worker[] = [];
  private readonly lengths: number[] = [];
  private done = 0;
  private running = 0;
  private draining = false;
  private toldFull = false;

  private constructor(
    private readonly options: WorkerOptions,
    private readonly bench: Bench,
    /** That of the queues, which do not close what they are given. */
    private readonly connection: Redis,
  ) {
    this.free = Array.from({ length: options.concurrency ?? 1 }, () => ({}));
  }

  /** @throws UserError where no Redis answers. */
  static async open(options: WorkerOptions): Promise<QueueWorker> {
    const { Worker } = await queuePackages();
    const redis = await connectRedis(options.url);
    const connection = await connectRedis(options.url);
    const { url, tasks, concurrency = 1, ...rest } = options;
    const self = new QueueWorker(options, { redis, concurrency, ...rest }, connection);
    for (const task of tasks) {
      const worker = new Worker(queues[task.kind], (job, token) => self.process(task, job, token!), {
        ...{ connection, concurrency, autorun: false },
        // Locks are renewed by `process`, for as long as it finds right.
        ...{ lockDuration: mostLease / 3, skipLockRenewal: true, stalledInterval: leastLease },
        maxStalledCount: 1_000_000,
      });
      worker.on('error', () => undefined);
      self.workers.push(worker);
    }
    return self;
  }

  get state(): WorkerState {
    const { draining, running, done } = this;
    const working = running > 0 ? 'working' : 'waiting';
    const connected = this.connection.status === 'ready';
    return { state: draining ? 'draining' : connected ? working : 'no Redis', done, running };
  }

  /**
   * Serves until the signal aborts; jobs that are being computed are finished first.
   * @throws UserError for a run that this worker may not serve: another version, other data.
   */
  async run(signal: AbortSignal): Promise<void> {
    const refusal = new Promise<never>((_, reject) => {
      this.refused = reject;
    });
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const { url, onEvent } = this.options;
    const unwatch = watchRedis(url, this.connection, (message) => onEvent?.({ type: 'notice', message }));
    for (const worker of this.workers) worker.run().catch(() => undefined);
    try {
      await Promise.race([aborted, refusal]);
    } finally {
      unwatch();
      this.draining = true;
      // Without Redis nothing can be handed in, and closing would wait for it.
      const force = this.connection.status !== 'ready';
      await Promise.all(this.workers.map((worker) => worker.close(force).catch(() => undefined)));
      await Promise.all(this.free.map((seat) => leave(seat)));
      this.bench.redis.disconnect();
      this.connection.disconnect();
    }
  }

  private async process(task: Task, job: Job, token: string): Promise<void> {
    const named = anyJob.safeParse(job.data);
    // Of another program or a damaged queue: nobody waits for it.
    if (!named.success) return;
    const { run } = named.data;
    const keys = keysOf(run);
    const lease = () => job.extendLock(token, this.lease).catch(() => 0);
    const renewing = setInterval(lease, this.lease / 3);
    const seat = await this.seat(run);
    this.running++;
    const start = performance.now();
    try {
      // Its coordinator is gone.
      if (!(await this.bench.redis.exists(keys.alive))) return;
      if (seat.run !== run || seat.kind !== task.kind) {
        await leave(seat);
        const session = await task.open(run, this.bench);
        if (!session) return;
        Object.assign(seat, { run, kind: task.kind, session });
        this.bench.onEvent?.({ type: 'run', kind: task.kind, run });
      }
      // Only now: jobs of another version, which has been refused, may have another shape.
      const parsed = task.job.safeParse(job.data);
      if (!parsed.success) return;
      await seat.session!.compute(parsed.data, job.id!);
      this.measured(performance.now() - start);
      this.done++;
    } catch (error) {
      await this.failed(run, error);
      throw error;
    } finally {
      clearInterval(renewing);
      this.running--;
      this.stand(seat);
    }
  }

  /** How long a job may go without a sign: a few times what jobs take, within bounds. */
  private get lease(): number {
    const longest = this.lengths.length > 0 ? Math.max(...this.lengths) : mostLease / 3 / leasePerJob;
    return Math.round(Math.min(mostLease, Math.max(leastLease, leasePerJob * longest)));
  }

  private measured(ms: number): void {
    this.lengths.push(ms);
    if (this.lengths.length > 20) this.lengths.shift();
    for (const { opts } of this.workers) opts.lockDuration = this.lease;
  }

  private async failed(run: string, error: unknown): Promise<void> {
    const { redis, onEvent } = this.bench;
    if (error instanceof UserError) {
      const { refused } = keysOf(run);
      await redis
        .multi()
        .rpush(refused, error.message)
        .ltrim(refused, -100, -1)
        .expire(refused, keptSeconds)
        .exec()
        .catch(() => undefined);
      this.refused?.(error);
    } else if (isFull(error)) {
      if (!this.toldFull)
        onEvent?.({
          type: 'notice',
          message: `${shownUrl(this.options.url)}: Redis is full (maxmemory); give it more memory, its jobs are tried again`,
        });
      this.toldFull = true;
      await new Promise((resolve) => setTimeout(resolve, 1000));
    } else {
      const message = error instanceof Error ? error.message : String(error);
      onEvent?.({ type: 'notice', message: `a job of run ${run} failed: ${message.split('\n')[0]}` });
    }
  }

  /** A free seat, one that has this run ready before others. */
  private async seat(run: string): Promise<Seat> {
    const at = this.free.findIndex((seat) => seat.run === run);
    const [seat] = this.free.splice(Math.max(0, at), 1);
    return seat ?? new Promise((resolve) => this.wanting.push(resolve));
  }

  private stand(seat: Seat): void {
    const next = this.wanting.shift();
    if (next) next(seat);
    else this.free.push(seat);
  }
}

async function leave(seat: Seat): Promise<void> {
  const { session } = seat;
  seat.run = undefined;
  seat.session = undefined;
  await session?.close();
}
