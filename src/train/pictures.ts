import { checkBatch } from '../backends/memory.js';
import { checkAugmentation, type Pair } from '../data/augment/augmentation.js';
import { degradeInPlace } from '../data/augment/degrade.js';
import { drawMix, mixInPlace } from '../data/augment/mix.js';
import { prepare, preparedSize, sampleRng } from '../data/augment/prepare.js';
import { enetWeights, medianWeights, pixelsByClass } from '../data/classWeights.js';
import type { LabelImage } from '../data/image.js';
import { epochOrder } from '../data/order.js';
import { Rng } from '../data/rng.js';
import type { Place } from '../device.js';
import { deviceAt } from '../device.js';
import { UserError } from '../errors.js';
import type { ScratchRule } from '../graph/planned.js';
import type { ModelInfo } from '../model/format.js';
import type { Model } from '../model/model.js';
import type { NetworkKind } from '../nets/define.js';
import { networkFromConfig } from '../nets/index.js';
import { initialWeights } from '../nets/initialize.js';
import type { BatchSource, NamedBatch } from './batches.js';
import type { ResolvedTrainConfig, TrainConfig } from './config.js';
import { parseTrainConfig, recipeOf } from './config.js';
import { TrainingEngine } from './engine.js';
import type { TrainEvent, TrainResult } from './events.js';
import type { FilesStore } from './filesStore.js';
import { kernelsOfRun } from './kernels.js';
import type { LabelledPicture } from './labelledPicture.js';
import { fingerprintOf } from './pictureFingerprint.js';
import { PictureValidation } from './pictureValidation.js';
import { trainingPlan } from './plan.js';
import { checkSameRecipe, storedWeights } from './sameRecipe.js';
import { takeWeights } from './takeWeights.js';
import { Trainer } from './trainer.js';

/** The options of a training that do not speak of folders. */
export type PicturesConfig = Omit<
  TrainConfig,
  | 'data'
  | 'out'
  | 'resume'
  | 'init'
  | 'teacher'
  | 'trainSplit'
  | 'valSplit'
  | 'holdOut'
  | 'extra'
  | 'samples'
  | 'workers'
  | 'cacheMiB'
>;

export interface TrainPicturesOptions extends PicturesConfig, Place {
  readonly train: readonly LabelledPicture[];
  /** Scored after epochs; without, there is no best model. */
  readonly validation?: readonly LabelledPicture[];
  /** By id. `toRaw` and `name` matter to label files only. */
  readonly classes: Pick<ModelInfo['classes'], 'names' | 'colours'> & Partial<ModelInfo['classes']>;
  /** Takes checkpoints, metrics and the best model. */
  readonly store: FilesStore;
  /** Go on from the store's last checkpoint. */
  readonly resume?: boolean;
  /** A model to start from; tensors of other shapes (the head, for other classes) start fresh. */
  readonly init?: Model;
  /** Aborting finishes the step, saves, and resolves with `interrupted`. */
  readonly signal?: AbortSignal;
  /** Told about every step, validation and save. */
  readonly onEvent?: (event: TrainEvent) => void;
  /** Told what the network says of each validation picture. */
  readonly onPrediction?: (picture: LabelledPicture, labels: LabelImage, epoch: number) => void;
  /** Kinds of networks of your own. */
  readonly networks?: readonly NetworkKind[];
}

/**
 * Trains a network on pictures in memory, in a browser or in Node: the engine, order, augmentation, schedule and
 * checkpoints of `train`, and the weights that it gives for the same pictures, bit for bit on the same kernels.
 * @throws UserError as `train`.
 */
export async function trainPictures(options: TrainPicturesOptions): Promise<TrainResult> {
  const { train, validation = [], classes, store, resume, init, signal, onEvent, onPrediction } = options;
  const { device, gpu, networks, ...rest } = options;
  const config = configOf(rest, store.place);
  const size = checkPictures(train, config, classes.names.length);
  const backend = await deviceAt({ device, gpu });
  const resumed = resume ? await store.readLast() : undefined;
  if (resume && !resumed) throw new UserError(`${store.place}: holds no run to resume; start a new one`);
  const { name, config: shape } = config.network;
  const network = networkFromConfig(name, { ...shape, classes: classes.names.length }, networks);
  const recipe = {
    ...recipeOf(config),
    precision: config.precision === 'f16' ? config.precision : undefined,
    images: train.length,
    dataset: fingerprintOf(train, classes.names),
    backend: backend.name,
    weights: storedWeights(resumed) ?? weightsOf(train, config, classes.names.length),
  };
  if (resumed) checkSameRecipe(resumed.recipe, recipe, store.place, onEvent);
  const weighted = recipe.weights !== undefined;
  const planBy = (scratchBytes: ScratchRule, batch = config.batch) =>
    trainingPlan(network, config, { scratchBytes }, { batch, ...size, weighted });
  const { scratchBytes, kernels } = kernelsOfRun(backend, resumed?.kernels, planBy, store.place, onEvent);
  const planFor = (batch: number) => planBy(scratchBytes, batch);
  const plan = planFor(config.batch);
  const bytesOf = (batch: number) => (batch === config.batch ? plan : planFor(batch)).arenaBytes;
  checkBatch(config.batch, bytesOf, backend.usableBytes());
  const executor = await backend.prepare(plan, { threads: config.threads });
  const { optimizer, momentum, weightDecay } = config;
  const engine = new TrainingEngine(executor, { kind: optimizer, momentum, weightDecay }, config.average);
  const judge =
    validation.length > 0 && config.validateEvery > 0
      ? new PictureValidation(validation, network, config, { backend, signal, onEvent, onPrediction })
      : undefined;
  try {
    if (recipe.weights) executor.write('classWeights', Float32Array.from(recipe.weights));
    if (resumed) {
      const misfit = engine.misfit(resumed.weights);
      if (misfit) throw new UserError(`${store.last}: does not fit the network: ${misfit}`);
    } else {
      const weights = initialWeights(plan, config.seed);
      if (init) takeWeights(init, 'the model to start from', network, weights, onEvent);
      engine.writeWeights(weights);
    }
    const source = new PictureSource(train, config, size);
    onEvent?.({
      type: 'start',
      epochs: config.epochs,
      stepsPerEpoch: Math.floor(source.steps / config.accumulate),
      parameters: plan.parameters,
      ...size,
      planBytes: plan.arenaBytes,
      cacheBytes: 0,
      step: resumed?.progress.step ?? 0,
    });
    const { names, colours, name: title = 'pictures', toRaw = [...names.keys()] } = classes;
    return await Trainer.run(
      engine,
      source,
      {
        store,
        epochs: config.epochs,
        batch: config.batch,
        accumulate: config.accumulate,
        schedule: { kind: config.schedule, learningRate: config.learningRate, warmup: config.warmup },
        validateEvery: config.validateEvery,
        validate: judge && ((weights, at) => judge.run(weights, at.epoch)),
        saveEveryMinutes: config.saveEveryMinutes,
        logEvery: config.logEvery,
        info: {
          network: { name: network.name, config: { ...network.config } },
          classes: { name: title, names, colours, toRaw },
        },
        scored: judge && { data: title, split: 'val', images: validation.length },
        image: [size.height, size.width],
        recipe,
        kernels,
        signal,
        onEvent,
      },
      resumed,
    );
  } finally {
    await judge?.close();
    await executor.dispose();
  }
}

/** Only what is in the recipe or a setting: what is no option is named by the schema's own message. */
function configOf(given: Partial<TrainPicturesOptions>, place: string): ResolvedTrainConfig {
  const { train, validation, classes, store, resume, init, signal, onEvent, onPrediction, ...config } = given;
  return parseTrainConfig({ ...config, data: 'pictures', out: place });
}

/** The size of training. @throws UserError for pictures that no batch can be made of. */
function checkPictures(
  pictures: readonly LabelledPicture[],
  { batch, accumulate, size, augment }: ResolvedTrainConfig,
  classes: number,
): { height: number; width: number } {
  checkAugmentation(augment);
  if (pictures.length < batch * accumulate) {
    throw new UserError(
      `${pictures.length} pictures are fewer than the ${batch * accumulate} of a step; give more, or lower \`batch\``,
    );
  }
  const first = preparedSize(pictures[0].image, size);
  for (const { id, image, labels } of pictures) {
    if (image.width !== labels.width || image.height !== labels.height) {
      throw new UserError(
        `${id}: labels are ${labels.width}×${labels.height}, but the picture is ${image.width}×${image.height}; both must have the same size`,
      );
    }
    const wrong = labels.data.find((value) => value >= classes && value !== 255);
    if (wrong !== undefined) {
      throw new UserError(
        `${id}: label value ${wrong} is neither one of ${classes} classes nor ignored (255)`,
      );
    }
    const { height, width } = preparedSize(image, size);
    if (height !== first.height || width !== first.width) {
      throw new UserError(
        `${id}: is ${width}×${height}, but ${pictures[0].id} is ${first.width}×${first.height}; training needs one size, choose \`size: { resize }\` or \`{ crop }\``,
      );
    }
  }
  if (first.height < 32 || first.width < 32) {
    throw new UserError(`${pictures[0].id}: is ${first.width}×${first.height}; expected at least 32×32`);
  }
  return first;
}

/** Class weights of the loss, as `train` derives them. */
function weightsOf(
  pictures: readonly LabelledPicture[],
  { classWeights }: ResolvedTrainConfig,
  classes: number,
): number[] | undefined {
  if (classWeights === 'none') return undefined;
  if (Array.isArray(classWeights)) {
    if (classWeights.length === classes) return classWeights;
    throw new UserError(
      `classWeights has ${classWeights.length} numbers, but there are ${classes} classes; give one each`,
      2,
    );
  }
  const { pixels, pixelsOfImages } = pixelsByClass(
    pictures.map(({ labels }) => labels.data),
    classes,
  );
  if (classWeights === 'median') return medianWeights(pixels, pixelsOfImages);
  return enetWeights(pixels, classWeights === 'enet' ? undefined : classWeights.enet);
}

/** Batches of pictures in memory, in the order and with the changes of `Loader`. */
class PictureSource implements BatchSource {
  readonly waitMs = 0;
  readonly cacheBytes = 0;
  readonly steps: number;

  constructor(
    private readonly pictures: readonly LabelledPicture[],
    private readonly config: ResolvedTrainConfig,
    private readonly size: { readonly height: number; readonly width: number },
  ) {
    this.steps = Math.floor(pictures.length / config.batch);
  }

  async *batches(epoch: number, startStep: number): AsyncGenerator<NamedBatch> {
    const { batch, seed } = this.config;
    const { height, width } = this.size;
    const pixels = height * width;
    const order = epochOrder(this.pictures.length, seed, epoch);
    for (let step = startStep; step < this.steps; step++) {
      const indices = order.slice(step * batch, (step + 1) * batch);
      const images = new Uint8Array(3 * batch * pixels);
      const labels = new Uint8Array(batch * pixels);
      for (const [i, index] of indices.entries()) {
        await this.prepare(index, epoch, {
          image: { height, width, data: images.subarray(3 * i * pixels, 3 * (i + 1) * pixels) },
          labels: { height, width, data: labels.subarray(i * pixels, (i + 1) * pixels) },
        });
      }
      yield { images, labels, ids: this.ids(epoch, step) };
    }
  }

  ids(epoch: number, step: number): string[] {
    const { batch, seed } = this.config;
    const order = epochOrder(this.pictures.length, seed, epoch);
    return order.slice(step * batch, (step + 1) * batch).map((index) => this.pictures[index].id);
  }

  private async prepare(index: number, epoch: number, into: Pair): Promise<void> {
    const { seed, size, augment } = this.config;
    const rng = sampleRng(seed, epoch, index);
    const ready = prepare(this.pictures[index], size, augment, rng, into);
    const mix = drawMix(augment, { seed, epoch, index }, this.pictures.length);
    if (mix) {
      const own = Rng.of(mix.seed);
      mixInPlace(ready, prepare(this.pictures[mix.partner], size, augment, own), mix.kind, own);
    }
    await degradeInPlace(ready.image, augment, rng);
  }
}
