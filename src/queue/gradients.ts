import { UserError } from '../errors.js';
import { median } from '../median.js';
import type { BatchGradient, GradientSource, StepBatches } from '../train/gradients.js';
import { GradientsLostError } from '../train/gradients.js';
import type { RunSetup } from '../train/train.js';
import { isRefusal, queueError } from './connection.js';
import type { GradientJob } from './contract.js';
import { decodeGradient } from './contract.js';
import { Coordinator } from './coordinator.js';
import { untilAborted } from './until.js';

/** Seconds without any result after which the batches that are missing are handed out again, at least. */
const leastPatience = 2;
/** The same as a multiple of what a batch takes. */
const patience = 4;
/** Seconds of it until the first result of a run: workers make ready. */
const firstPatience = 10;

/** What the workers of a run need to know, and the engine that steps. */
type SharedRun = Pick<RunSetup, 'config' | 'engine' | 'weights' | 'fingerprint'>;

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
  private readonly times: number[] = [];

  private constructor(
    private readonly url: string,
    private readonly run: SharedRun,
    private readonly coordinator: Coordinator<GradientJob>,
  ) {}

  /**
   * @param tell is told what a person should know: no worker answers, one refuses, Redis was lost.
   * @throws UserError: no Redis, or a run that workers cannot share.
   */
  static async open(url: string, run: SharedRun, tell: (message: string) => void): Promise<QueueGradients> {
    const { config, weights, fingerprint } = run;
    if (config.precision === 'f16' || run.engine.lossScale)
      throw new UserError('a queue trains in float32: leave float16 away', 2);
    // Where a run lies and which folders it reads are no business of the workers.
    const { out, data, init, resume, ...shared } = config;
    const setup = {
      config: JSON.parse(JSON.stringify(shared)) as Record<string, unknown>,
      fingerprint,
      ...(weights ? { weights: [...weights] } : {}),
    };
    return new QueueGradients(url, run, await Coordinator.open(url, 'gradients', { setup }, tell));
  }

  async *gradients({ epoch, first, count, step, signal }: StepBatches): AsyncGenerator<BatchGradient> {
    const { coordinator, counts } = this;
    const { redis, waiting, keys, jobs } = coordinator;
    const { engine } = this.run;
    const params = (await engine.executor.read('params')) as Float32Array;
    const weights = [keys.weights(step), bytesOf(params)] as const;
    const dropout = await engine.dropoutStep();
    const batches = Array.from({ length: count }, (_, batch) => batch);
    const hand = (list: readonly number[], only = true) =>
      jobs.hand(
        list.map((batch) => {
          const place = { step, epoch, first, count, batch, only, dropout };
          return [batch, { run: coordinator.id, ...place }] as const;
        }),
      );
    const missing = async () => {
      const found = await Promise.all(batches.map((batch) => redis.exists(keys.gradient(step, batch))));
      return batches.filter((batch) => found[batch] === 0);
    };
    const { until, end } = untilAborted(signal);
    try {
      counts.sentBytes += await until(coordinator.publish(weights));
      await until(hand(batches, false));
      let lastResult = performance.now();
      for (const batch of batches) {
        for (;;) {
          const bytes = await until(redis.getBuffer(keys.gradient(step, batch)));
          const result = bytes && decodeGradient(bytes, params.length, engine.runningLength);
          if (result) {
            counts.receivedBytes += bytes.length;
            this.times.push(performance.now() - lastResult);
            lastResult = performance.now();
            yield result;
            break;
          }
          // A second at most: what wakes may have been lost with Redis.
          await until(waiting.blpop(keys.done, 1).catch(() => undefined));
          if (await until(coordinator.isLost(keys.weights(step)))) {
            counts.refilled++;
            coordinator.tell('Redis has lost its content; handing out the step again');
            counts.sentBytes += await until(coordinator.publish(weights));
            await until(missing().then(hand));
            lastResult = performance.now();
            continue;
          }
          const silence = performance.now() - lastResult;
          if (silence < 1000 * leastPatience) continue;
          await until(coordinator.tellRefusals());
          coordinator.tellLonely();
          const { times } = this;
          if (silence < (times.length > 0 ? patience * median(times.slice(-50)) : 1000 * firstPatience))
            continue;
          const silent = await until(missing().then((list) => jobs.silent(list)));
          counts.resent += silent.length;
          if (silent.length > 0)
            coordinator.tellSilent(`${silent.length} of ${count} batches of step ${step + 1}`, silence);
          await until(hand(silent));
          lastResult = performance.now();
        }
      }
      const results = batches.map((batch) => keys.gradient(step, batch));
      await until(redis.del(keys.weights(step), keys.taken(step), keys.done, ...results));
    } catch (error) {
      if (!isRefusal(error)) throw error;
      throw new GradientsLostError(queueError(this.url, error).message, 1, { cause: error });
    } finally {
      end();
    }
  }

  close(): Promise<void> {
    return this.coordinator.close();
  }
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength);
