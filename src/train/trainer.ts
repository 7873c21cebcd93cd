import { UserError } from '../errors.js';
import type { Scores } from '../eval/iou.js';
import type { ModelInfo, Tensors } from '../model/format.js';
import type { BatchSource, NamedBatch } from './batches.js';
import type { StepResult, TrainingEngine } from './engine.js';
import { NonFiniteError } from './engine.js';
import type { TrainEvent, TrainResult } from './events.js';
import type { StepAt } from './explain.js';
import { explainStep } from './explain.js';
import type { GradientSource } from './gradients.js';
import { GradientsLostError } from './gradients.js';
import type { Schedule } from './schedule.js';
import { learningRateAt } from './schedule.js';
import type { Progress, TrainingState } from './state.js';
import { StepClock } from './step-clock.js';
import type { RunStore } from './store.js';
import { validationScalars } from './validationScalars.js';

/** A mean cross-entropy above this is no learning: guessing is ln(classes), 5.5 for 255 of them. */
const mostLoss = 1e4;

interface StepUnderWay extends StepAt {
  readonly result: Promise<StepResult>;
}

/** Scores a set of weights on validation images. */
export type Validate = (weights: Tensors, at: { epoch: number; step: number }) => Promise<Scores>;

export interface TrainerOptions {
  /** Takes what the run leaves. */
  readonly store: RunStore;
  readonly epochs: number;
  /** Images a batch, for the rate of images. */
  readonly batch: number;
  /** Batches an optimiser step. */
  readonly accumulate: number;
  readonly schedule: Omit<Schedule, 'steps'>;
  /** Epochs between validations; the last epoch always has one. */
  readonly validateEvery: number;
  readonly validate?: Validate;
  /** Also save within epochs, when this many minutes have passed. */
  readonly saveEveryMinutes: number;
  /** Steps a line of metrics. */
  readonly logEvery: number;
  readonly info: Omit<ModelInfo, 'trained'>;
  /** See `ModelInfo.trained.scored`. */
  readonly scored?: ModelInfo['trained']['scored'];
  /** See `ModelInfo.trained.image`. */
  readonly image?: readonly [height: number, width: number];
  readonly recipe: Readonly<Record<string, unknown>>;
  /** See `TrainingState.kernels`. */
  readonly kernels?: TrainingState['kernels'];
  /** Default: the engine's own executor. */
  readonly gradients?: GradientSource;
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainEvent) => void;
}

/**
 * The training loop. All state that decides the weights is in the engine and `progress`, and
 * all of it is in every checkpoint: going on from one is going on as if never stopped.
 *
 * `last` is saved at the start, every few minutes, after an epoch's last step, and again after its validation, so a
 * stop costs minutes at most; `best` is a model file, written when the validation mIoU is the highest so far.
 */
export class Trainer {
  private readonly store: RunStore;
  private readonly stepsPerEpoch: number;
  private progress: Progress;
  private savedAt = performance.now();
  /** Steps in the last save, if any. */
  private savedStep: number | undefined;
  private clock: StepClock;
  /** The step that was begun and of which nothing was told yet. */
  private underWay: StepUnderWay | undefined;
  /** Whether a pixel counted so far. */
  private learnt = false;

  private constructor(
    private readonly engine: TrainingEngine,
    private readonly source: BatchSource,
    private readonly options: TrainerOptions,
    start: { progress: Progress },
  ) {
    this.store = options.store;
    this.stepsPerEpoch = Math.floor(source.steps / options.accumulate);
    this.progress = start.progress;
    this.clock = new StepClock(options.batch * options.accumulate, () => source.waitMs);
  }

  /**
   * Trains until the last epoch is done or the signal aborts.
   * @param start a checkpoint to go on from; absent: the engine's weights are the beginning.
   * @throws UserError for a loss or gradient that is not finite; `last` holds the state before.
   */
  static async run(
    engine: TrainingEngine,
    source: BatchSource,
    options: TrainerOptions,
    start?: TrainingState,
  ): Promise<TrainResult> {
    if (start) {
      engine.writeWeights(new Map([...start.weights].map(([name, { data }]) => [name, data])));
      engine.writeOptimizer(start.optimizer);
      if (start.average) engine.average?.write(start.average, start.progress.averageUpdates);
      const { lossScale } = start.progress;
      if (engine.lossScale && lossScale) engine.lossScale.state = lossScale;
    }
    const progress = start?.progress ?? {
      epoch: 0,
      stepInEpoch: 0,
      step: 0,
      averageUpdates: 0,
      metricsBytes: 0,
    };
    try {
      await options.store.open(progress);
      const trainer = new Trainer(engine, source, options, { progress });
      if (start) trainer.savedStep = progress.step;
      return await trainer.loop(!start).catch((error: unknown) => trainer.withLastSave(error));
    } finally {
      await options.store.close();
    }
  }

  private async loop(isNew: boolean): Promise<TrainResult> {
    const { epochs, signal } = this.options;
    if (isNew) await this.save();
    while (this.progress.epoch < epochs) {
      if (this.progress.stepInEpoch < this.stepsPerEpoch) await this.trainEpoch();
      if (signal?.aborted) return this.result(true);
      const due = this.validationDue();
      if (due && !(await this.validateEpoch(due))) return this.result(true);
      this.progress = { ...this.progress, epoch: this.progress.epoch + 1, stepInEpoch: 0 };
      // Without a validation the checkpoint of the epoch's last step says the same.
      if (due) await this.save();
    }
    return this.result(false);
  }

  /** The rest of the epoch, up to a saved checkpoint; ends early, saved too, when the signal aborts. */
  private async trainEpoch(): Promise<void> {
    const { accumulate, signal, saveEveryMinutes } = this.options;
    const { epoch, stepInEpoch } = this.progress;
    this.clock.restart();
    const batches = this.source.batches(epoch, stepInEpoch * accumulate)[Symbol.asyncIterator]();
    this.learnt = epoch > 0 || stepInEpoch > 0;
    try {
      while (!signal?.aborted && this.progress.stepInEpoch < this.stepsPerEpoch) {
        if (performance.now() - this.savedAt >= saveEveryMinutes * 60_000) await this.save();
        await this.step(batches);
      }
      await this.finishStep();
    } catch (error) {
      // The step was given up; all before it counts.
      if (error instanceof GradientsLostError) await this.save();
      if (!signal?.aborted || error !== signal.reason) throw error;
    } finally {
      await batches.return?.();
    }
    if (!this.learnt && !signal?.aborted) {
      throw new UserError(
        'no pixel of the first epoch counts: every label is "ignore", or its class has weight 0; look at the labels and the class weights',
      );
    }
    await this.save();
  }

  /** Begins one optimiser step on the next batches; where the engine does one at a time, also ends it. */
  private async step(batches: AsyncIterator<NamedBatch>): Promise<void> {
    const { accumulate, schedule, epochs } = this.options;
    const { epoch, step, stepInEpoch } = this.progress;
    const steps = epochs * this.stepsPerEpoch;
    const learningRate = learningRateAt({ ...schedule, steps }, step);
    const at = { epoch, step: step + 1, stepInEpoch: stepInEpoch + 1, learningRate };
    async function* group(): AsyncGenerator<NamedBatch> {
      for (let count = 0; count < accumulate; count++) {
        const { value, done } = await batches.next();
        if (done) return;
        yield value;
      }
    }
    const begun = await this.begin(group(), at).catch((error: unknown) => this.explain(error, at));
    this.progress = { ...this.progress, step: at.step, stepInEpoch: at.stepInEpoch };
    const before = this.underWay;
    this.underWay = { ...at, ...begun };
    if (before) await this.finish(before);
    if (!this.engine.overlaps) await this.finishStep();
  }

  /** A step's gradient comes from elsewhere, or from several batches, or all of it is one run of the engine. */
  private async begin(
    batches: AsyncGenerator<NamedBatch>,
    { epoch, step, stepInEpoch, learningRate }: StepAt,
  ): Promise<Pick<StepUnderWay, 'result'>> {
    const { accumulate, gradients, signal } = this.options;
    if (!gradients && accumulate === 1) {
      const { value } = await batches.next();
      return await this.engine.begin(value, learningRate, step);
    }
    const request = {
      epoch,
      first: (stepInEpoch - 1) * accumulate,
      count: accumulate,
      step: step - 1,
      signal,
    };
    const source = gradients?.gradients(request) ?? this.engine.gradientsOf(batches);
    return { result: Promise.resolve(await this.engine.step(source, learningRate, step)) };
  }

  /** Waits for the step under way, if there is one, and tells of it. */
  private async finishStep(): Promise<void> {
    const { underWay } = this;
    this.underWay = undefined;
    if (underWay) await this.finish(underWay);
  }

  private async finish(at: StepUnderWay): Promise<void> {
    const { accumulate, epochs, logEvery } = this.options;
    const { epoch, step, stepInEpoch, learningRate } = at;
    const steps = epochs * this.stepsPerEpoch;
    const result = await at.result.catch((error: unknown) => this.explain(error, at));
    if (result.loss > mostLoss) this.explain(new NonFiniteError('loss', result.loss, accumulate - 1), at);
    this.learnt ||= result.loss !== 0 || result.gradientNorm !== 0;
    const timing = this.clock.step(result);
    const { plan, allocatedBytes } = this.engine.executor;
    this.emit({
      type: 'step',
      ...{ epoch, step, steps, stepInEpoch, stepsPerEpoch: this.stepsPerEpoch },
      ...result,
      learningRate,
      imagesPerSecond: timing.imagesPerSecond,
      dataWait: timing.dataWait,
      etaSeconds: timing.secondsPerStep * (steps - step),
      memory: {
        planBytes: plan.arenaBytes,
        allocatedBytes,
        cacheBytes: this.source.cacheBytes,
        rssBytes: this.store.rssBytes(),
      },
    });
    if (step % logEvery === 0) await this.log({ epoch, step, learningRate });
  }

  /** Writes the line of metrics of the steps since the last one. */
  private async log(at?: Pick<StepAt, 'epoch' | 'step' | 'learningRate'>): Promise<void> {
    const mean = this.clock.takeMeans();
    if (!mean) return;
    await this.checkFolder();
    const { epoch, step } = at ?? this.progress;
    const rate =
      at?.learningRate ??
      learningRateAt({ ...this.options.schedule, steps: this.options.epochs * this.stepsPerEpoch }, step - 1);
    const rssBytes = this.store.rssBytes();
    await this.store.append({ type: 'step', epoch, step, learningRate: rate, ...mean, rssBytes });
    await this.store.scalars(step, {
      'train/loss': mean.loss,
      'train/learning rate': rate,
      'train/gradient norm': mean.gradientNorm,
      'speed/images per second': mean.imagesPerSecond,
      'speed/data wait': mean.dataWait,
      ...(rssBytes === undefined ? {} : { 'memory/rss MiB': rssBytes / 2 ** 20 }),
    });
  }

  private validationDue(): Validate | undefined {
    const { validate, validateEvery, epochs } = this.options;
    const done = this.progress.epoch + 1;
    return done % validateEvery === 0 || done === epochs ? validate : undefined;
  }

  /** @returns false where the signal aborted it. */
  private async validateEpoch(validate: Validate): Promise<boolean> {
    const { signal } = this.options;
    const { epoch, step } = this.progress;
    const start = performance.now();
    const weights = await this.modelWeights();
    let scores: Scores;
    try {
      scores = await validate(weights, { epoch, step });
    } catch (error) {
      if (signal?.aborted) return false;
      throw error;
    }
    const seconds = (performance.now() - start) / 1000;
    const miou = scores.miou;
    const best = miou !== undefined && miou > (this.progress.bestMiou ?? -1);
    await this.store.append({
      type: 'validation',
      epoch,
      step,
      miou: miou ?? null,
      pixelAccuracy: scores.pixelAccuracy ?? null,
      classIou: scores.classIou.map((iou) => iou ?? null),
      seconds,
    });
    await this.store.scalars(step, validationScalars(scores, this.options.info.classes.names));
    if (best) {
      await this.store.saveBest(this.info(miou), weights);
      this.progress = { ...this.progress, bestMiou: miou };
    }
    this.emit({ type: 'validation', epoch, step, scores, seconds, best });
    return true;
  }

  private async save(): Promise<void> {
    await this.finishStep();
    await this.log();
    await this.checkFolder();
    this.progress = { ...this.progress, metricsBytes: await this.store.sync() };
    const { engine, progress, options } = this;
    const { average } = engine;
    const state: TrainingState = {
      info: this.info(),
      weights: await engine.readWeights(),
      average: await average?.read(),
      optimizer: await engine.readOptimizer(),
      progress: {
        ...progress,
        averageUpdates: average?.updates ?? 0,
        ...(engine.lossScale ? { lossScale: engine.lossScale.state } : {}),
      },
      recipe: options.recipe,
      kernels: options.kernels,
    };
    const broken = [...state.weights].find(([, { data }]) => !data.every(Number.isFinite));
    if (broken) {
      throw new UserError(
        `step ${progress.step}: the weights of ${broken[0]} are no numbers any more: the training has diverged. ${this.lastSave()}; start again with a lower learning rate`,
      );
    }
    await this.store.saveLast(state);
    this.savedAt = performance.now();
    this.savedStep = progress.step;
    this.emit({ type: 'saved', file: this.store.last, epoch: progress.epoch, step: progress.step });
  }

  /** The weights that are validated and shipped: averaged where an average is kept. */
  private modelWeights(): Promise<Tensors> {
    return this.engine.average?.read() ?? this.engine.readWeights();
  }

  private info(miou?: number): ModelInfo {
    const { epoch, step, stepInEpoch } = this.progress;
    const done = stepInEpoch === this.stepsPerEpoch ? epoch + 1 : epoch;
    const { info, image, scored } = this.options;
    const trained = {
      ...{ epoch: done, step },
      ...(miou === undefined ? {} : { miou, ...(scored ? { scored } : {}) }),
      ...(image ? { image: [...image] as [number, number] } : {}),
    };
    return { ...info, trained };
  }

  private explain(error: unknown, at: StepAt): never {
    const first = (at.stepInEpoch - 1) * this.options.accumulate;
    explainStep(error, at, (batch) => this.source.ids(at.epoch, first + batch), this.store.lastNamed);
  }

  /** @throws UserError where the run folder is not this run's any more: what is written there now would be lost. */
  private async checkFolder(): Promise<void> {
    if (await this.store.isOurs()) return;
    throw new UserError(
      `${this.store.place}: was moved, deleted or replaced during the training. ${this.lastSave()}, if the folder is still somewhere: move it back and go on with \`resume\``,
    );
  }

  private lastSave(): string {
    return this.savedStep === undefined
      ? 'Nothing was saved yet'
      : `${this.store.lastNamed} holds step ${this.savedStep}`;
  }

  /** Says of a failed write where the run stands. */
  private withLastSave(error: unknown): never {
    if (!(error instanceof UserError) || error.cause === undefined) throw error;
    throw new UserError(
      `${error.message}. ${this.lastSave()}${this.savedStep === undefined ? '' : '; go on with `resume` then'}`,
      1,
      { cause: error.cause },
    );
  }

  private result(interrupted: boolean): TrainResult {
    const { epoch, step, bestMiou } = this.progress;
    return {
      interrupted,
      epoch,
      step,
      bestMiou,
      last: this.store.last,
      best: bestMiou === undefined ? undefined : this.store.best,
    };
  }

  private emit(event: TrainEvent): void {
    this.options.onEvent?.(event);
  }
}
