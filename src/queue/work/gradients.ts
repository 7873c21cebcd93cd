import { usableMemory } from '../../backends/hostMemory.js';
import { checkBatch, processBytes } from '../../backends/memory.js';
import { SampleCache } from '../../data/cache.js';
import { fingerprint } from '../../data/fingerprint.js';
import type { Loader } from '../../data/loader.js';
import { UserError } from '../../errors.js';
import { networkFromConfig } from '../../nets/index.js';
import { parseTrainConfig } from '../../train/config.js';
import { NonFiniteError, TrainingEngine } from '../../train/engine.js';
import type { BatchGradient } from '../../train/gradients.js';
import { trainingPlan } from '../../train/plan.js';
import { cacheBudget, openTrainingData, trainingLoader } from '../../train/training-data.js';
import type { GradientJob } from '../contract.js';
import { floats, gradientJob, gradientSetup, keysOf } from '../contract.js';
import { type Bench, checkBackend, readSetup, type Session, type Task } from '../task.js';
import type { BatchPlace } from './batches.js';
import { BatchesAhead } from './batches.js';
import { claimBatch, handIn } from './places.js';

/** Gradients of batches of a data set. @param data where it lies for this worker. */
export const gradientTask = (data: string): Task<GradientJob> => ({
  kind: 'gradients',
  job: gradientJob,
  async open(run, bench) {
    const { redis, backend, threads, workers, concurrency } = bench;
    const setup = await readSetup(redis, run, gradientSetup);
    if (!setup) return undefined;
    checkBackend(run, 'wasm', backend);
    const config = parseTrainConfig({ ...setup.config, data, out: 'queue', workers, threads });
    const dataset = await openTrainingData(config);
    const own = await fingerprint(dataset, config.trainSplit);
    if (own !== setup.fingerprint) throw otherData(data, run, 'training images', own, setup.fingerprint);
    const classes = dataset.classes.names.length;
    const network = networkFromConfig(config.network.name, { ...config.network.config, classes });
    const cache = new SampleCache();
    const loader = trainingLoader(dataset, config, cache);
    const size = await loader.imageSize();
    const weighted = setup.weights !== undefined;
    const planFor = (batch: number) => trainingPlan(network, config, backend, { batch, ...size, weighted });
    const plan = planFor(config.batch);
    const arena = (batch: number) => (batch === config.batch ? plan : planFor(batch)).arenaBytes;
    checkBatch(config.batch, arena, backend.usableBytes());
    const left = usableMemory() / concurrency - plan.arenaBytes - processBytes;
    cache.budget = cacheBudget(config, await loader.storedSize(), left);
    const executor = await backend.prepare(plan, { threads });
    const { optimizer: kind, momentum, weightDecay } = config;
    const engine = new TrainingEngine(executor, { kind, momentum, weightDecay }, config.average);
    if (setup.weights) executor.write('classWeights', Float32Array.from(setup.weights));
    const bytes = 4 * config.batch * size.height * size.width;
    return new GradientSession(bench, engine, loader, config.epochs, new BatchesAhead(loader, bytes));
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
    private readonly epochs: number,
    private readonly ahead: BatchesAhead,
  ) {}

  async compute(job: GradientJob, id: string): Promise<void> {
    const { redis, onEvent } = this.bench;
    const { loader, ahead } = this;
    const { run, step, epoch, first, dropout } = job;
    const keys = keysOf(run);
    const batch = await claimBatch(redis, job, id, ahead.of(job.step));
    if (batch < 0) return;
    const start = performance.now();
    const [done, weights] = await Promise.all([
      redis.exists(keys.gradient(step, batch)),
      this.step === step ? undefined : redis.getBuffer(keys.weights(step)),
    ]);
    // Another worker was faster, or the step is over.
    if (done || weights === null) return;
    if (weights) this.write(weights, step);
    const place = { step, batch, epoch, index: first + batch };
    const pixels = await ahead.take(place);
    const release = () => loader.recycle(pixels);
    const gradient = await this.contribution({ ...pixels, release }, dropout + batch);
    await handIn(redis, job, batch, gradient);
    const next = this.after(job, batch);
    if (next) ahead.begin(next);
    const what = `step ${step + 1}, batch ${batch + 1}`;
    onEvent?.({ type: 'done', kind: 'gradients', what, ms: performance.now() - start });
  }

  async close(): Promise<void> {
    await this.loader.close();
    await this.engine.executor.dispose();
  }

  /** The same batch of the next step, if the training has one. */
  private after({ step, epoch, first, count }: GradientJob, batch: number): BatchPlace | undefined {
    const next = { step: step + 1, batch };
    if (first + 2 * count <= this.loader.steps) return { ...next, epoch, index: first + count + batch };
    return epoch + 1 < this.epochs ? { ...next, epoch: epoch + 1, index: batch } : undefined;
  }

  private write(weights: Buffer, step: number): void {
    const { executor } = this.engine;
    if (weights.length !== 4 * executor.plan.flatParams.length)
      throw new UserError(`weights of ${weights.length} bytes came from the queue, which are not this run's`);
    executor.write('params', floats(weights));
    this.step = step;
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
      const { what, value } = error;
      return {
        loss: what === 'loss' ? value : 0,
        weight: 1,
        grads: new Float32Array(engine.executor.plan.flatParams.length).fill(value),
        statistics: new Float32Array(engine.runningLength),
      };
    }
  }
}
