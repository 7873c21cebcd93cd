import type { Job, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Backend } from '../backends/backend.js';
import { SampleCache } from '../data/cache.js';
import { fingerprint } from '../data/fingerprint.js';
import type { Loader } from '../data/loader.js';
import { UserError } from '../errors.js';
import { networkFromConfig } from '../nets/index.js';
import { parseTrainConfig } from '../train/config.js';
import { TrainingEngine } from '../train/engine.js';
import { trainingPlan } from '../train/plan.js';
import { openTrainingData, trainingLoader } from '../train/training-data.js';
import { connectRedis, queuePackages } from './connection.js';
import type { GradientJob } from './contract.js';
import {
  encodeGradient,
  floats,
  gradientJob,
  gradientQueue,
  keptSeconds,
  keysOf,
  programVersion,
  runSetup,
} from './contract.js';

/** Milliseconds that a job may go without a sign of its worker; renewed while its kernels run. */
const lockMs = 30_000;

export interface WorkerOptions {
  /** Address of Redis. */
  readonly url: string;
  /** The data set of the runs that this worker serves. */
  readonly data: string;
  readonly backend: Backend;
  readonly threads?: number;
  /** Threads that decode images. */
  readonly workers?: number;
  /** Told after each batch, and of what a person should know. */
  readonly onEvent?: (event: WorkerEvent) => void;
}

export type WorkerEvent =
  | { readonly type: 'run'; readonly run: string; readonly parameters: number }
  | { readonly type: 'batch'; readonly step: number; readonly batch: number; readonly ms: number }
  | { readonly type: 'notice'; readonly message: string };

/** What a worker has ready for a run. */
interface Prepared {
  readonly run: string;
  readonly engine: TrainingEngine;
  readonly loader: Loader;
  /** Of which step the weights are that the engine has. */
  step: number;
}

/** Computes gradients for coordinators, one batch at a time. */
export class GradientWorker {
  private prepared: Prepared | undefined;
  private refused: UserError | undefined;
  private failed: ((error: UserError) => void) | undefined;
  private readonly version = programVersion();

  private constructor(
    private readonly options: WorkerOptions,
    private readonly redis: Redis,
    private readonly worker: Worker<GradientJob>,
    /** That of the worker, which does not close what it is given. */
    private readonly connection: Redis,
  ) {}

  /** @throws UserError where no Redis answers. */
  static async open(options: WorkerOptions): Promise<GradientWorker> {
    const { Worker } = await queuePackages();
    const redis = await connectRedis(options.url);
    const connection = await connectRedis(options.url);
    let self: GradientWorker | undefined;
    const worker = new Worker<GradientJob>(gradientQueue, (job) => self!.compute(job), {
      connection,
      concurrency: 1,
      autorun: false,
      lockDuration: lockMs,
      stalledInterval: lockMs / 2,
      maxStalledCount: 1_000_000,
    });
    worker.on('error', () => undefined);
    self = new GradientWorker(options, redis, worker, connection);
    return self;
  }

  /**
   * Serves until the signal aborts; a batch that is being computed is finished first.
   * @throws UserError for a run that this worker may not serve: another version, other data.
   */
  async run(signal: AbortSignal): Promise<void> {
    const refusal = new Promise<never>((_, reject) => {
      this.failed = reject;
    });
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.worker.run().catch(() => undefined);
    try {
      await Promise.race([aborted, refusal]);
    } finally {
      await this.worker.close().catch(() => undefined);
      await this.forget();
      this.redis.disconnect();
      this.connection.disconnect();
    }
  }

  private async compute(job: Job<GradientJob>): Promise<void> {
    const parsed = gradientJob.safeParse(job.data);
    // Of another program or a damaged queue: nobody waits for it.
    if (!parsed.success) return;
    const { run, step, epoch, index, batch, dropout } = parsed.data;
    const keys = keysOf(run);
    const [alive, known] = await Promise.all([
      this.redis.exists(keys.alive),
      this.redis.exists(keys.gradient(step, batch)),
    ]);
    // Its coordinator is gone, or another worker was faster.
    if (!alive || known) return;
    const start = performance.now();
    try {
      const prepared = await this.prepare(run);
      if (!prepared) return;
      const { engine, loader } = prepared;
      if (prepared.step !== step) {
        const weights = await this.redis.getBuffer(keys.weights(step));
        // The step is over.
        if (!weights) return;
        if (weights.length !== 4 * engine.executor.plan.flatParams.length) {
          throw new UserError(
            `weights of ${weights.length} bytes came from the queue, which are not this run's`,
          );
        }
        engine.executor.write('params', floats(weights));
        prepared.step = step;
      }
      const batches = loader.batches(epoch, index);
      const { value, done } = await batches.next();
      if (done) throw new UserError(`the run asks for batch ${index}, the data has ${loader.steps} an epoch`);
      const gradient = await engine.contribution({ ...value, release: () => loader.recycle(value) }, dropout);
      await batches.return();
      await this.redis
        .multi()
        .set(keys.gradient(step, batch), encodeGradient(gradient), 'EX', keptSeconds)
        .rpush(keys.done, batch)
        .expire(keys.done, keptSeconds)
        .exec();
      this.options.onEvent?.({ type: 'batch', step, batch, ms: performance.now() - start });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      this.refused = error;
      this.failed?.(error);
      throw error;
    }
  }

  /** @returns undefined where the run is gone. @throws UserError where this worker cannot serve it. */
  private async prepare(run: string): Promise<Prepared | undefined> {
    if (this.prepared?.run === run) return this.prepared;
    if (this.refused) throw this.refused;
    const text = await this.redis.get(keysOf(run).setup);
    if (!text) return undefined;
    await this.forget();
    const parsed = runSetup.safeParse(JSON.parse(text));
    if (!parsed.success)
      throw new UserError(`run ${run}: its setup is none of this program's; update vnet here or there`);
    const setup = parsed.data;
    if (setup.version !== this.version) {
      throw new UserError(
        `run ${run}: is of vnet ${setup.version}, this worker is ${this.version}; gradients would differ, install the same version on machines of the same kind`,
      );
    }
    const { backend, data, threads, workers, onEvent } = this.options;
    const config = parseTrainConfig({ ...setup.config, data, out: 'queue', workers, threads });
    const dataset = await openTrainingData(config);
    const own = await fingerprint(dataset, config.trainSplit);
    if (own !== setup.fingerprint) {
      throw new UserError(
        `${data}: has other training images than the coordinator of run ${run} (fingerprint ${own}, not ${setup.fingerprint}); give the same data set to both`,
      );
    }
    const classes = dataset.classes.names.length;
    const network = networkFromConfig(config.network.name, { ...config.network.config, classes });
    const loader = trainingLoader(dataset, config, new SampleCache());
    const size = await loader.imageSize();
    const weighted = setup.weights !== undefined;
    const plan = trainingPlan(network, config, backend, { batch: config.batch, ...size, weighted });
    const executor = await backend.prepare(plan, { threads });
    const { optimizer: kind, momentum, weightDecay } = config;
    const engine = new TrainingEngine(executor, { kind, momentum, weightDecay }, config.average);
    if (setup.weights) executor.write('classWeights', Float32Array.from(setup.weights));
    this.prepared = { run, engine, loader, step: -1 };
    onEvent?.({ type: 'run', run, parameters: plan.parameters });
    return this.prepared;
  }

  private async forget(): Promise<void> {
    const { prepared } = this;
    this.prepared = undefined;
    await prepared?.loader.close();
    await prepared?.engine.executor.dispose();
  }
}
