import { SampleCache } from '../../data/cache.js';
import { fingerprint } from '../../data/fingerprint.js';
import type { Loader } from '../../data/loader.js';
import { UserError } from '../../errors.js';
import { networkFromConfig } from '../../nets/index.js';
import { parseTrainConfig } from '../../train/config.js';
import { NonFiniteError, TrainingEngine } from '../../train/engine.js';
import type { BatchGradient } from '../../train/gradients.js';
import { trainingPlan } from '../../train/plan.js';
import { openTrainingData, trainingLoader } from '../../train/training-data.js';
import type { GradientJob } from '../contract.js';
import { encodeGradient, floats, gradientJob, gradientSetup, keptSeconds, keysOf } from '../contract.js';
import { type Bench, checkBackend, readSetup, type Session, type Task } from '../task.js';

/** Gradients of batches of a data set. @param data where it lies for this worker. */
export const gradientTask = (data: string): Task<GradientJob> => ({
  kind: 'gradients',
  job: gradientJob,
  async open(run, bench) {
    const { redis, backend, threads, workers } = bench;
    const setup = await readSetup(redis, run, gradientSetup);
    if (!setup) return undefined;
    checkBackend(run, 'wasm', backend);
    const config = parseTrainConfig({ ...setup.config, data, out: 'queue', workers, threads });
    const dataset = await openTrainingData(config);
    const own = await fingerprint(dataset, config.trainSplit);
    if (own !== setup.fingerprint) throw otherData(data, run, 'training images', own, setup.fingerprint);
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
    return new GradientSession(bench, engine, loader);
  },
});

/** What a worker says whose data is not that of the coordinator. */
export const otherData = (data: string, run: string, what: string, own: string, wanted: string): UserError =>
  new UserError(
    `${data}: has other ${what} than the coordinator of run ${run} (fingerprint ${own}, not ${wanted}); give the same data set to both`,
  );

class GradientSession implements Session<GradientJob> {
  /** Of which step the weights are that the engine has. */
  private step = -1;

  constructor(
    private readonly bench: Bench,
    private readonly engine: TrainingEngine,
    private readonly loader: Loader,
  ) {}

  async compute({ run, step, epoch, index, batch, dropout }: GradientJob): Promise<void> {
    const { redis, onEvent } = this.bench;
    const { engine, loader } = this;
    const keys = keysOf(run);
    // Another worker was faster.
    if (await redis.exists(keys.gradient(step, batch))) return;
    const start = performance.now();
    if (this.step !== step) {
      const weights = await redis.getBuffer(keys.weights(step));
      // The step is over.
      if (!weights) return;
      if (weights.length !== 4 * engine.executor.plan.flatParams.length) {
        throw new UserError(
          `weights of ${weights.length} bytes came from the queue, which are not this run's`,
        );
      }
      engine.executor.write('params', floats(weights));
      this.step = step;
    }
    // What is ahead of the next job is decoded while this one is computed.
    const batches = loader.batches(epoch, index);
    const { value, done } = await batches.next();
    if (done) throw new UserError(`the run asks for batch ${index}, the data has ${loader.steps} an epoch`);
    const gradient = await this.contribution({ ...value, release: () => loader.recycle(value) }, dropout);
    await batches.return();
    const replies = await redis
      .multi()
      .set(keys.gradient(step, batch), encodeGradient(gradient), 'EX', keptSeconds)
      .rpush(keys.done, batch)
      .expire(keys.done, keptSeconds)
      .exec();
    for (const [error] of replies ?? []) if (error) throw error;
    const what = `step ${step + 1}, batch ${batch + 1}`;
    onEvent?.({ type: 'done', kind: 'gradients', what, ms: performance.now() - start });
  }

  async close(): Promise<void> {
    await this.loader.close();
    await this.engine.executor.dispose();
  }

  /** What is not finite ends the training at the coordinator, as it does in one process: it is handed over as it is. */
  private async contribution(
    batch: Parameters<TrainingEngine['contribution']>[0],
    dropout: number,
  ): Promise<BatchGradient> {
    const { engine } = this;
    try {
      return await engine.contribution(batch, dropout);
    } catch (error) {
      if (!(error instanceof NonFiniteError)) throw error;
      return {
        loss: error.what === 'loss' ? error.value : 0,
        weight: 1,
        grads: new Float32Array(engine.executor.plan.flatParams.length).fill(Number.NaN),
        statistics: new Float32Array(engine.runningLength),
      };
    }
  }
}
