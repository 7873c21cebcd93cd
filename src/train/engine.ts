import type { Executor } from '../backends/backend.js';
import type { Slot } from '../graph/planned.js';
import { sizeOf } from '../ir/value.js';
import type { Tensors } from '../model/format.js';
import { modelSlots } from '../model/slots.js';
import { runningMomentum } from '../ops/norm.js';
import type { OptimizerOptions } from '../optimizers/index.js';
import { hyperOf, optimizerNamed } from '../optimizers/index.js';
import { WeightAverage } from './ema.js';
import type { BatchGradient } from './gradients.js';
import { LossScale } from './loss-scale.js';

/** What one optimiser step reports. */
export interface StepResult {
  /** Mean cross-entropy over the labelled pixels, before the update. */
  readonly loss: number;
  /** √Σg² over all parameters. */
  readonly gradientNorm: number;
}

/** The part of a batch that the engine needs. */
export interface TrainingBatch {
  /** u8 `N×H×W×3`. */
  readonly images: Uint8Array;
  /** u8 `N×H×W`, train ids. */
  readonly labels: Uint8Array;
  /** Called when the arrays are no longer needed, which is before the step is computed. */
  release?(): void;
}

/** Thrown where nothing was updated: by the guard of the update, see `ops/guard.ts`. */
export class NonFiniteError extends Error {
  constructor(
    readonly what: 'loss' | 'gradient',
    readonly value: number,
    /** Index of the batch, among those of the step, where it was seen. */
    readonly batch: number,
  ) {
    super(`the ${what} is ${value}`);
  }
}

/** State of networks with dropout, see `Builder.dropout`. */
const dropoutCounter = 'dropout.step';

/** A training executor by its meaning: steps, weights and optimiser state. */
export class TrainingEngine {
  /** Parameters and running statistics. */
  private readonly model: ReadonlyMap<string, Slot>;
  /** Parameters with their first element in the flat region. */
  private readonly params: readonly { name: string; slot: Slot; start: number; length: number }[];
  /** Of plans that store feature maps as float16. */
  readonly lossScale: LossScale | undefined;
  /** Of plans that keep one. */
  readonly average: WeightAverage | undefined;
  /** Names of the slots that the optimiser remembers. */
  private readonly moments: readonly string[];

  /** @param decay of the weight average, for a plan that keeps one. */
  constructor(
    readonly executor: Executor,
    private readonly optimizer: OptimizerOptions,
    decay?: number,
  ) {
    const { plan } = executor;
    this.moments = Object.keys(plan.slots).filter((name) => plan.slots[name].role === 'moment');
    const { moments } = optimizerNamed(optimizer.kind);
    if (moments.join() !== this.moments.join()) throw new Error(`the plan is not one of ${optimizer.kind}`);
    this.lossScale = plan.slots.lossScale && new LossScale(executor);
    this.model = modelSlots(plan);
    this.params = [...this.model]
      .filter(([, slot]) => slot.role === 'param')
      .map(([name, slot]) => ({
        name,
        slot,
        start: (slot.offset - plan.flatParams.offset) / 4,
        length: slot.shape.reduce((product, n) => product * n, 1),
      }));
    this.average = decay === undefined ? undefined : new WeightAverage(executor, decay, this.model);
  }

  /**
   * One optimiser step over the gradients of one or more batches (gradient accumulation). Gradients and losses are
   * averaged by their weight of labelled pixels, so the result is that of one large batch, except that batch
   * normalisation sees each batch alone. They are added in their order, wherever they were computed.
   * @param t this update, counted from 1.
   * @throws NonFiniteError; weights are as before then, running statistics may not be.
   */
  async step(gradients: AsyncIterable<BatchGradient>, learningRate: number, t: number): Promise<StepResult> {
    const { executor } = this;
    let sum: Float64Array | undefined;
    let grads = new Float32Array() as Float32Array;
    let count = 0;
    let lossSum = 0;
    let weightSum = 0;
    let firstWeight = 0;
    const statistics: Float32Array[] = [];
    for await (const batch of gradients) {
      const { loss, weight } = batch;
      if (!Number.isFinite(loss)) throw new NonFiniteError('loss', loss, count);
      const norm = batch.norm ?? normOf(batch.grads);
      if (!Number.isFinite(norm)) throw new NonFiniteError('gradient', norm, count);
      // A second batch: what was the whole gradient becomes the first term.
      if (count === 1) sum = scaled(grads, firstWeight);
      grads = batch.grads;
      if (sum) addScaled(sum, weight, grads);
      else firstWeight = weight;
      if (batch.statistics) statistics.push(batch.statistics);
      lossSum += loss * weight;
      weightSum += weight;
      count++;
    }
    if (sum) grads = mean(sum, weightSum);
    if (statistics.length > 0) await this.addStatistics(statistics);
    if (sum || statistics.length > 0) executor.write('grads', grads);
    this.prepareUpdate(learningRate, t);
    await executor.run('update');
    const [norm] = await executor.read('gradientNorm');
    if (!Number.isFinite(norm)) throw new NonFiniteError('gradient', norm, count - 1);
    this.updated();
    return { loss: meanLoss(lossSum, weightSum), gradientNorm: norm };
  }

  /**
   * Begins an optimiser step on one batch, on this engine's executor: forward, backward and update are one run, and the
   * guard of the update looks at the gradient. Where {@link overlaps}, the next step may begin before this one's
   * result is there. In float16 a gradient that overflows is computed again with half the loss scale; running statistics
   * take in such a batch once more, and the weight average the weights.
   * @param t this update, counted from 1.
   * @returns its result, or NonFiniteError, when it is computed.
   */
  async begin(
    batch: TrainingBatch,
    learningRate: number,
    t: number,
  ): Promise<{ readonly result: Promise<StepResult> }> {
    this.writeBatch(batch);
    this.prepareUpdate(learningRate, t);
    for (;;) {
      await this.executor.run('forward', 'backward', 'update');
      const result = this.result();
      // Whoever waits for it may have failed meanwhile.
      result.catch(() => {});
      if (this.lossScale && (await overflows(result)) && this.lossScale.reduce()) continue;
      this.updated();
      return { result };
    }
  }

  /** Whether a step may begin before the result of the one before is there. */
  get overlaps(): boolean {
    return this.executor.queues === true && !this.lossScale;
  }

  private prepareUpdate(learningRate: number, t: number): void {
    this.executor.write('hyper', hyperOf(this.optimizer, learningRate, t));
    this.average?.prepare();
  }

  private updated(): void {
    if (this.average) this.average.updates++;
    this.lossScale?.keep();
  }

  /** Of the run that was begun last. */
  private async result(): Promise<StepResult> {
    const { executor } = this;
    const [[loss, weight], [norm]] = await Promise.all([
      executor.read('loss'),
      executor.read('gradientNorm'),
    ]);
    if (!Number.isFinite(loss)) throw new NonFiniteError('loss', loss, 0);
    if (!Number.isFinite(norm)) throw new NonFiniteError('gradient', norm, 0);
    return { loss: meanLoss(loss * weight, weight), gradientNorm: norm };
  }

  /**
   * Gradients of batches on this engine's executor. The next batch is asked for when the one before is computed, so
   * there is one at a time.
   */
  async *gradientsOf(
    batches: Iterable<TrainingBatch> | AsyncIterable<TrainingBatch>,
  ): AsyncGenerator<BatchGradient> {
    let count = 0;
    for await (const batch of batches) {
      this.writeBatch(batch);
      yield await this.gradient(count++);
    }
  }

  /**
   * The gradient of a batch for an engine elsewhere, from the flat parameters of that engine. Running statistics are a
   * recurrence, `(1 − m)·old + m·batch`, whose second term is what they become from zero: that is what is handed over.
   * @param dropoutStep what its counter of dropout stands at, where the network has dropout.
   */
  async contribution(batch: TrainingBatch, dropoutStep: number): Promise<BatchGradient> {
    const { executor } = this;
    for (const name of this.running)
      executor.write(name, new Float32Array(sizeOf(executor.plan.slots[name].shape)));
    if (this.hasDropout) executor.write(dropoutCounter, Float32Array.of(dropoutStep));
    this.writeBatch(batch);
    const gradient = await this.gradient(0);
    const parts = await Promise.all(this.running.map((name) => executor.read(name)));
    const statistics = new Float32Array(this.runningLength);
    let at = 0;
    for (const part of parts) {
      statistics.set(part, at);
      at += part.length;
    }
    return { ...gradient, statistics };
  }

  /** Elements of a {@link BatchGradient.statistics}. */
  get runningLength(): number {
    const { slots } = this.executor.plan;
    return this.running.reduce((sum, name) => sum + sizeOf(slots[name].shape), 0);
  }

  /** The counter of dropout; 0 without. */
  async dropoutStep(): Promise<number> {
    return this.hasDropout ? (await this.executor.read(dropoutCounter))[0] : 0;
  }

  private get hasDropout(): boolean {
    return dropoutCounter in this.executor.plan.slots;
  }

  /** Running statistics of the norms, in the order of the plan. */
  private get running(): readonly string[] {
    return [...this.model].flatMap(([name, { role }]) =>
      role === 'state' && name !== dropoutCounter ? [name] : [],
    );
  }

  /** As the kernels compute it, in float32: what workers have found, in the order of their batches. */
  private async addStatistics(contributions: readonly Float32Array[]): Promise<void> {
    const { executor } = this;
    const keep = Math.fround(1 - Math.fround(runningMomentum));
    let at = 0;
    for (const name of this.running) {
      const values = Float32Array.from((await executor.read(name)) as Float32Array);
      for (const contribution of contributions) {
        for (let i = 0; i < values.length; i++) {
          values[i] = Math.fround(keep * values[i]) + contribution[at + i];
        }
      }
      executor.write(name, values);
      at += values.length;
    }
    if (this.hasDropout) {
      const counter = await this.dropoutStep();
      executor.write(dropoutCounter, Float32Array.of(counter + contributions.length));
    }
  }

  private writeBatch(batch: TrainingBatch): void {
    this.executor.write('images', batch.images);
    this.executor.write('labels', batch.labels);
    batch.release?.();
  }

  /**
   * Loss and gradient of the batch that was written. In float16 a gradient that overflows is computed again with half
   * the loss scale; running statistics take in such a batch once more.
   */
  private async gradient(batch: number): Promise<BatchGradient> {
    const { executor } = this;
    for (;;) {
      await executor.run('forward', 'backward');
      // Asked for together: on a GPU one wait, not two.
      const [[loss, weight], flat] = await Promise.all([executor.read('loss'), executor.read('grads')]);
      if (!Number.isFinite(loss)) throw new NonFiniteError('loss', loss, batch);
      const grads = flat as Float32Array;
      const norm = normOf(grads);
      if (Number.isFinite(norm)) return { loss, weight, grads, norm };
      if (!this.lossScale?.reduce()) throw new NonFiniteError('gradient', norm, batch);
    }
  }

  /** Copies of parameters and running statistics. */
  async readWeights(): Promise<Tensors> {
    const names = [...this.model.keys()];
    const data = await Promise.all(names.map((name) => this.executor.read(name)));
    return new Map(
      names.map((name, i) => [name, { shape: this.model.get(name)!.shape, data: data[i] as Float32Array }]),
    );
  }

  /** Copies of the optimiser's moments, one tensor per moment and parameter: `adam.m/stem.conv1.weight`. */
  async readOptimizer(): Promise<Tensors> {
    const { moments } = this;
    const flats = await Promise.all(moments.map((moment) => this.executor.read(moment)));
    return new Map(
      moments.flatMap((moment, i) =>
        this.params.map(({ name, slot, start, length }) => [
          `${moment}/${name}`,
          { shape: slot.shape, data: (flats[i] as Float32Array).slice(start, start + length) },
        ]),
      ),
    );
  }

  /** Writes all weights, also as the average; optimiser moments become zero until {@link writeOptimizer}. */
  writeWeights(weights: ReadonlyMap<string, Float32Array>): void {
    const tensors = new Map(
      [...this.model].map(([name, { shape }]) => [name, { shape, data: weights.get(name)! }]),
    );
    for (const [name, { data }] of tensors) this.executor.write(name, data);
    this.average?.write(tensors, 0);
    this.writeOptimizer(new Map());
  }

  /** Writes the moments; what is absent becomes zero. */
  writeOptimizer(tensors: Tensors): void {
    for (const moment of this.moments) {
      const flat = new Float32Array(this.executor.plan.flatParams.length);
      for (const { name, start } of this.params) {
        const stored = tensors.get(`${moment}/${name}`);
        if (stored) flat.set(stored.data, start);
      }
      this.executor.write(moment, flat);
    }
  }

  /** The tensors by which {@link readWeights} of this plan and stored ones differ in name or shape, if any. */
  misfit(weights: Tensors): string | undefined {
    const describe = (name: string, shape: readonly number[] | undefined) =>
      shape ? `${name} as ${shape.join('×')}` : `no ${name}`;
    for (const name of new Set([...this.model.keys(), ...weights.keys()])) {
      const wanted = this.model.get(name)?.shape;
      const stored = weights.get(name)?.shape;
      if (wanted?.join() !== stored?.join()) {
        return `it has ${describe(name, stored)}, the network ${describe(name, wanted)}`;
      }
    }
    return undefined;
  }
}

/** Over the labelled pixels. */
const meanLoss = (sum: number, weight: number): number => (weight > 0 ? sum / weight : 0);

/** Whether a step ended in a gradient that is not finite. */
const overflows = (result: Promise<StepResult>): Promise<boolean> =>
  result.then(
    () => false,
    (error: unknown) => error instanceof NonFiniteError && error.what === 'gradient',
  );

// Loops, since `from` with a function takes ten times as long.

/** A first term, in double precision. */
function scaled(grads: Float32Array, weight: number): Float64Array {
  const sum = new Float64Array(grads.length);
  for (let k = 0; k < sum.length; k++) sum[k] = weight * grads[k];
  return sum;
}

/** Adds another. */
function addScaled(sum: Float64Array, weight: number, grads: Float32Array): void {
  for (let k = 0; k < sum.length; k++) sum[k] += weight * grads[k];
}

/** Their mean, zero where nothing has weight. */
function mean(sum: Float64Array, weightSum: number): Float32Array {
  const grads = new Float32Array(sum.length);
  if (weightSum > 0) for (let k = 0; k < sum.length; k++) grads[k] = sum[k] / weightSum;
  return grads;
}

/** √Σg² in double precision. */
function normOf(grads: Float32Array): number {
  let sum = 0;
  for (const g of grads) sum += g * g;
  return Math.sqrt(sum);
}
