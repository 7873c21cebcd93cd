import { randomBytes } from 'node:crypto';
import type { Queue } from 'bullmq';
import type { Redis } from 'ioredis';
import { UserError } from '../errors.js';
import { median } from '../median.js';
import type { BatchGradient, GradientSource, StepBatches } from '../train/gradients.js';
import type { RunSetup } from '../train/train.js';
import { connectRedis, queueError, queuePackages } from './connection.js';
import type { GradientJob, StoredSetup } from './contract.js';
import {
  aliveSeconds,
  decodeGradient,
  gradientQueue,
  keptSeconds,
  keysOf,
  programVersion,
} from './contract.js';

/** Seconds without any result after which the batches that are missing are handed out again, at least. */
const leastPatience = 2;
/** The same as a multiple of what a batch takes. */
const patience = 4;

/** What a coordinator has seen, for people and tests. */
export interface QueueCounts {
  /** Batches handed out a second time, because nothing came back. */
  resent: number;
  /** Times that Redis had lost what was in it. */
  refilled: number;
  /** Bytes sent to and received from Redis, in gradients and weights. */
  sentBytes: number;
  receivedBytes: number;
}

/**
 * Gradients computed by workers behind a queue. A step's weights lie in Redis once; each batch is a job; results are
 * taken in the order of the batches, whichever worker made them and however often. What is lost (a worker, its job, all
 * of Redis) is handed out again: a result depends on nothing but its job.
 */
export class QueueGradients implements GradientSource {
  readonly counts: QueueCounts = { resent: 0, refilled: 0, sentBytes: 0, receivedBytes: 0 };
  private readonly id = randomBytes(8).toString('hex');
  private readonly keys = keysOf(this.id);
  private readonly heartbeat: NodeJS.Timeout;
  private readonly times: number[] = [];
  private sent = 0;

  private constructor(
    private readonly url: string,
    private readonly run: RunSetup,
    private readonly setup: StoredSetup,
    private readonly redis: Redis,
    /** Waits for results, which blocks a connection. */
    private readonly waiting: Redis,
    private readonly queue: Queue<GradientJob>,
    /** That of the queue, which does not close what it is given. */
    private readonly connection: Redis,
    private readonly tell: (message: string) => void,
  ) {
    this.heartbeat = setInterval(
      () => {
        redis.set(this.keys.alive, '1', 'EX', aliveSeconds).catch(() => undefined);
      },
      (1000 * aliveSeconds) / 3,
    );
  }

  /**
   * @param tell is told what a person should know: no worker answers, Redis was lost.
   * @throws UserError: no Redis, or a run that workers cannot share.
   */
  static async open(url: string, run: RunSetup, tell: (message: string) => void): Promise<QueueGradients> {
    const { config, weights, fingerprint } = run;
    if (config.precision === 'f16' || run.engine.lossScale)
      throw new UserError('a queue trains in float32: leave float16 away', 2);
    const { Queue } = await queuePackages();
    const redis = await connectRedis(url);
    const waiting = await connectRedis(url);
    const connection = await connectRedis(url);
    const queue = new Queue<GradientJob>(gradientQueue, { connection });
    queue.on('error', () => undefined);
    // Where a run lies and which folders it reads are no business of the workers.
    const { out, data, init, resume, ...shared } = config;
    const setup = {
      version: programVersion(),
      config: JSON.parse(JSON.stringify(shared)) as Record<string, unknown>,
      fingerprint,
      ...(weights ? { weights: [...weights] } : {}),
    };
    return new QueueGradients(url, run, setup, redis, waiting, queue, connection, tell);
  }

  async *gradients({ epoch, first, count, step }: StepBatches): AsyncGenerator<BatchGradient> {
    const { redis, keys, run } = this;
    const { engine } = run;
    const params = (await engine.executor.read('params')) as Float32Array;
    const weights = Buffer.from(params.buffer, params.byteOffset, params.byteLength);
    const dropout = await engine.dropoutStep();
    const jobs = Array.from({ length: count }, (_, batch): GradientJob => {
      return { run: this.id, step, epoch, index: first + batch, batch, dropout: dropout + batch };
    });
    try {
      await this.publish(step, weights);
      await this.hand(jobs);
      let lastResult = performance.now();
      let told = false;
      for (const job of jobs) {
        for (;;) {
          const bytes = await redis.getBuffer(keys.gradient(step, job.batch));
          const result = bytes && decodeGradient(bytes, params.length, engine.runningLength);
          if (result) {
            this.counts.receivedBytes += bytes.length;
            this.times.push(performance.now() - lastResult);
            lastResult = performance.now();
            yield result;
            break;
          }
          // A second at most: what wakes may have been lost with Redis.
          await this.waiting.blpop(keys.done, 1).catch(() => undefined);
          if ((await redis.exists(keys.weights(step), keys.setup)) < 2) {
            this.counts.refilled++;
            this.tell('Redis has lost its content; handing out the step again');
            await this.publish(step, weights);
            await this.hand(await this.missing(jobs));
            lastResult = performance.now();
            continue;
          }
          const silent = performance.now() - lastResult;
          const usual = this.times.length > 0 ? median(this.times.slice(-50)) : 0;
          if (silent > Math.max(1000 * leastPatience, patience * usual)) {
            const missing = await this.missing(jobs);
            this.counts.resent += missing.length;
            if (!told && (await this.queue.getWorkersCount().catch(() => 1)) === 0) {
              this.tell('no worker is connected to the queue; start some with: vnet worker');
              told = true;
            }
            await this.hand(missing);
            lastResult = performance.now();
          }
        }
      }
      await redis.del(keys.weights(step), keys.done, ...jobs.map(({ batch }) => keys.gradient(step, batch)));
    } catch (error) {
      if (error instanceof Error && error.name === 'ReplyError') throw queueError(this.url, error);
      throw error;
    }
  }

  async close(): Promise<void> {
    clearInterval(this.heartbeat);
    await this.redis.del(this.keys.alive, this.keys.setup, this.keys.done).catch(() => undefined);
    await this.queue.close().catch(() => undefined);
    for (const redis of [this.redis, this.waiting, this.connection]) redis.disconnect();
  }

  private async publish(step: number, weights: Buffer): Promise<void> {
    const { redis, keys, setup } = this;
    this.counts.sentBytes += weights.length;
    await redis
      .multi()
      .set(keys.setup, JSON.stringify(setup), 'EX', keptSeconds)
      .set(keys.alive, '1', 'EX', aliveSeconds)
      .set(keys.weights(step), weights, 'EX', keptSeconds)
      .exec()
      .then((replies) => {
        for (const [error] of replies ?? []) if (error) throw error;
      });
  }

  private async hand(jobs: readonly GradientJob[]): Promise<void> {
    const options = { removeOnComplete: true, removeOnFail: true, attempts: 5, backoff: 200 };
    await this.queue.addBulk(
      jobs.map((data) => ({
        name: 'gradient',
        data,
        opts: { ...options, jobId: `${this.id}-${data.step}-${data.batch}-${this.sent++}` },
      })),
    );
  }

  private async missing(jobs: readonly GradientJob[]): Promise<GradientJob[]> {
    const found = await Promise.all(
      jobs.map(({ step, batch }) => this.redis.exists(this.keys.gradient(step, batch))),
    );
    return jobs.filter((_, i) => found[i] === 0);
  }
}
