import path from 'node:path';
import type { Backend } from '../backends/backend.js';
import { usableMemory } from '../backends/hostMemory.js';
import { checkBatch, processBytes } from '../backends/memory.js';
import { SampleCache } from '../data/cache.js';
import type { Dataset } from '../data/dataset.js';
import { isFolder, makeFolder, writeAtomic } from '../data/files.js';
import { fingerprint } from '../data/fingerprint.js';
import { checkUsable } from '../data/trainable.js';
import type { Place } from '../device.js';
import { deviceAt } from '../device.js';
import { UserError } from '../errors.js';
import type { ScratchRule } from '../graph/planned.js';
import { removeTemporaries } from '../model/durable.js';
import { classesOf } from '../model/format.js';
import type { NetworkKind } from '../nets/define.js';
import { networkFromConfig } from '../nets/index.js';
import { initialWeights } from '../nets/initialize.js';
import { runFiles } from './checkpoint.js';
import type { ResolvedTrainConfig, TrainConfig } from './config.js';
import { parseTrainConfig, recipeOf, validationResize } from './config.js';
import { TrainingEngine } from './engine.js';
import type { TrainEvent, TrainResult } from './events.js';
import { FolderStore } from './folderStore.js';
import type { GradientSource } from './gradients.js';
import { kernelsOfRun } from './kernels.js';
import { RunLock } from './lock.js';
import { trainingPlan } from './plan.js';
import { checkSameRecipe, storedWeights } from './sameRecipe.js';
import { findStart, takeFrom } from './start.js';
import { openTeachers, teach } from './teacher.js';
import { Trainer } from './trainer.js';
import {
  cacheBudget,
  checkedSource,
  classWeightsOf,
  openTrainingData,
  trainingLoader,
} from './training-data.js';
import { Validation } from './validation.js';

/** Options of {@link train}: the configuration, and what cannot be written as JSON. */
export interface TrainOptions extends TrainConfig, Place {
  /** Aborting finishes the step, saves, and resolves with `interrupted`. */
  readonly signal?: AbortSignal;
  /** Told about every step, validation and save. */
  readonly onEvent?: (event: TrainEvent) => void;
  /** Computes the gradients elsewhere, see `GradientSource`. Default: in this process. */
  readonly gradients?: (run: RunSetup) => Promise<GradientSource>;
  /** Kinds of networks of your own, which `network.name` may name beside those of this package. */
  readonly networks?: readonly NetworkKind[];
}

/** What others need to know to compute gradients of a run. */
export interface RunSetup {
  readonly config: ResolvedTrainConfig;
  readonly dataset: Dataset;
  readonly engine: TrainingEngine;
  /** Class weights of the loss, where they differ. */
  readonly weights: readonly number[] | undefined;
  /** Of the training split. */
  readonly fingerprint: string;
}

/**
 * Trains a network on a data set into a run folder: `config.json`, `metrics.jsonl`, TensorBoard events, `samples/`,
 * `validation.json` (scores of the last validation), and the checkpoints `last`, `last.prev` and `best`
 * (`.safetensors`). With `resume`, an interrupted run goes on and ends with the weights it would have had.
 * @throws UserError for wrong options or data, a folder that holds another run, too little memory, or a loss that
 * is not finite; checkpoints of earlier steps are kept.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  const { device, gpu, signal, onEvent, networks, gradients, ...given } = options;
  const config = parseTrainConfig(given);
  const backend = await deviceAt({ device, gpu });
  const lock = new RunLock(config.out);
  try {
    // A new run makes its folder when nothing can be wrong any more.
    if (isFolder(config.out)) await takeLock(lock, config.out, onEvent);
    return await trainLocked(config, lock, { backend, signal, onEvent, networks, gradients });
  } finally {
    await lock.release();
  }
}

async function trainLocked(
  config: ResolvedTrainConfig,
  lock: RunLock,
  {
    backend,
    signal,
    onEvent,
    networks,
    gradients,
  }: Pick<TrainOptions, 'signal' | 'onEvent' | 'networks' | 'gradients'> & {
    backend: Backend;
  },
): Promise<TrainResult> {
  if (gradients && config.teacher) {
    throw new UserError(
      'a queue has no teachers: their labels lie in the run folder; train in this process',
      2,
    );
  }
  const resumed = await findStart(config, onEvent);
  const dataset = await openTrainingData(config);
  const { name, config: shape } = config.network;
  const network = networkFromConfig(name, { ...shape, classes: dataset.classes.names.length }, networks);
  await checkUsable(
    dataset,
    {
      train: config.trainSplit,
      val: config.validateEvery > 0 ? config.valSplit : undefined,
      batch: config.batch,
      accumulate: config.accumulate,
      size: config.size,
    },
    (message) => onEvent?.({ type: 'notice', message }),
    config.workers,
  );
  const teachers = config.teacher && (await openTeachers(config.teacher, dataset.classes.names));
  const cache = new SampleCache();
  const loader = trainingLoader(dataset, config, cache);
  let engine: TrainingEngine | undefined;
  let validation: Validation | undefined;
  let elsewhere: GradientSource | undefined;
  try {
    const images = loader.samples.length;
    const recipe = {
      ...recipeOf(config),
      // Runs that are older than the choice have no such entry.
      precision: config.precision === 'f16' ? config.precision : undefined,
      images,
      dataset: await fingerprint(dataset, config.trainSplit),
      backend: backend.name,
      weights: storedWeights(resumed?.state) ?? (await classWeightsOf(dataset, config)),
      teachers: teachers?.map(({ fingerprint }) => fingerprint),
    };
    if (resumed) checkSameRecipe(resumed.state.recipe, recipe, config.out, onEvent);
    const { height, width } = await loader.imageSize();
    const weighted = recipe.weights !== undefined;
    const planBy = (scratchBytes: ScratchRule, batch = config.batch) =>
      trainingPlan(network, config, { scratchBytes }, { batch, height, width, weighted });
    const { scratchBytes, kernels } = kernelsOfRun(
      backend,
      resumed?.state.kernels,
      planBy,
      config.out,
      onEvent,
    );
    const planFor = (batch: number) => planBy(scratchBytes, batch);
    const plan = planFor(config.batch);
    checkBatch(
      config.batch,
      (batch) => (batch === config.batch ? plan : planFor(batch)).arenaBytes,
      backend.usableBytes(),
    );
    validation = await Validation.open(dataset, network, config, { backend, signal, onEvent, cache });
    const validationBytes = (await validation?.arenaBytes()) ?? 0;
    if (validation) checkWithValidation(plan.arenaBytes, validationBytes, backend);
    const left = usableMemory() - plan.arenaBytes - validationBytes - processBytes;
    const stored = await loader.storedSize();
    cache.budget = cacheBudget(config, stored, left);
    const executor = await backend.prepare(plan, { threads: config.threads });
    const { optimizer, momentum, weightDecay } = config;
    engine = new TrainingEngine(executor, { kind: optimizer, momentum, weightDecay }, config.average);
    if (recipe.weights) engine.executor.write('classWeights', Float32Array.from(recipe.weights));
    if (resumed) {
      const misfit = engine.misfit(resumed.state.weights);
      if (misfit) throw new UserError(`${resumed.file}: does not fit the network: ${misfit}`);
    } else {
      const weights = initialWeights(plan, config.seed);
      if (config.init) await takeFrom(config.init, network, weights, onEvent);
      engine.writeWeights(weights);
    }
    elsewhere = await gradients?.({
      config,
      dataset,
      engine,
      weights: recipe.weights,
      fingerprint: recipe.dataset,
    });
    await makeFolder(config.out);
    await takeLock(lock, config.out, onEvent);
    // Another process may have been faster in a folder that did not exist before.
    if (!config.resume) await findStart(config, onEvent);
    await removeTemporaries(config.out);
    await removeTemporaries(path.join(config.out, 'samples'));
    await writeAtomic(runFiles(config.out).config, Buffer.from(`${JSON.stringify(config, null, 2)}\n`));
    if (teachers) {
      const how = { backend, threads: config.threads, signal, onEvent };
      await teach(teachers, loader.samples, config.out, { ...config.teacher!, dataset: recipe.dataset }, how);
    }
    onEvent?.({
      type: 'start',
      epochs: config.epochs,
      stepsPerEpoch: Math.floor(loader.steps / config.accumulate),
      parameters: plan.parameters,
      height,
      width,
      planBytes: plan.arenaBytes,
      cacheBytes: cache.budget,
      step: resumed?.state.progress.step ?? 0,
    });
    return await Trainer.run(
      engine,
      checkedSource(loader, cache, { height, width }),
      {
        store: new FolderStore(config.out, () => lock.isHeld()),
        epochs: config.epochs,
        batch: config.batch,
        accumulate: config.accumulate,
        schedule: { kind: config.schedule, learningRate: config.learningRate, warmup: config.warmup },
        validateEvery: config.validateEvery,
        validate: validation && ((weights, at) => validation!.run(weights, at)),
        saveEveryMinutes: config.saveEveryMinutes,
        logEvery: config.logEvery,
        info: {
          network: { name: network.name, config: { ...network.config } },
          classes: classesOf(dataset.classes),
        },
        scored: validation && {
          data: path.basename(path.resolve(config.data)),
          split: config.valSplit,
          images: validation.images,
        },
        image: validationResize(config) ?? [stored.height, stored.width],
        recipe,
        kernels,
        gradients: elsewhere,
        signal,
        onEvent,
      },
      resumed?.state,
    );
  } finally {
    await elsewhere?.close();
    await loader.close();
    await validation?.close();
    await engine?.executor.dispose();
  }
}

/** @throws UserError where a step fits, but not the validation beside it. On a GPU only trying tells. */
function checkWithValidation(step: number, validation: number, backend: Backend): void {
  if (!Number.isFinite(backend.usableBytes())) return;
  const usable = usableMemory();
  if (step + validation + processBytes <= usable) return;
  const mebibytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;
  throw new UserError(
    `a training step needs ${mebibytes(step)} and the validation beside it ${mebibytes(validation)}, with the process ${mebibytes(step + validation + processBytes)}, but ${mebibytes(usable)} are available: choose a smaller \`batch\`, or \`validateEvery: 0\``,
  );
}

async function takeLock(lock: RunLock, out: string, tell: TrainOptions['onEvent']): Promise<void> {
  const gone = await lock.take();
  if (gone === undefined) return;
  tell?.({ type: 'notice', message: `${out}: process ${gone} left it without ending its run; taking over` });
}
