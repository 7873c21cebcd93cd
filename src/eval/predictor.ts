import type { Backend, Executor } from '../backends/backend.js';
import type { FrameLook, FrameSource } from '../backends/frame.js';
import { checkPicture } from '../backends/memory.js';
import type { Precision } from '../compile.js';
import { compileInference } from '../compile.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import type { Plan } from '../graph/planned.js';
import { modelSlots } from '../model/slots.js';
import type { Network } from '../nets/network.js';

export interface PredictorOptions {
  readonly backend: Backend;
  /** Worker threads. Default: the machine's cores. */
  readonly threads?: number;
  /** Storage of feature maps. Default `f32`. */
  readonly precision?: Precision;
  /** Executors kept, one per image size and kind of output. Default 2. */
  readonly sizes?: number;
}

/** Logits as the head gives them, at 1/8 of the image: `data` is height × width × classes. */
export interface CoarseLogits {
  readonly height: number;
  readonly width: number;
  readonly classes: number;
  readonly data: Float32Array;
  /** How they are resized to the image, see `ops/resize.ts`. */
  readonly alignCorners?: boolean;
}

type Output = 'labels' | 'logits';

interface Size {
  readonly height: number;
  readonly width: number;
}

const keyOf = ({ height, width }: Size, output: Output): string => `${height}×${width} ${output}`;

/** Plans kept that were only looked at, so that an image is planned once to check it and to run it. */
const mostPlans = 8;

/**
 * Runs a network on images of any size from 32×32, one at a time. Keeps the executors of the sizes used last, so
 * images of few different sizes cost no new memory. Calls may overlap; they run in turn.
 */
export class Predictor {
  /** Insertion order is order of use: the first is the one to go. */
  private readonly executors = new Map<string, Executor>();
  private readonly plans = new Map<string, Plan>();
  private turn: Promise<unknown> = Promise.resolve();

  constructor(
    readonly network: Network,
    private weights: ReadonlyMap<string, Float32Array>,
    private readonly options: PredictorOptions,
  ) {}

  /** Uses other weights from now on; what runs already ends with the old ones. */
  setWeights(weights: ReadonlyMap<string, Float32Array>): Promise<void> {
    return this.inTurn(async () => {
      this.weights = weights;
      for (const executor of this.executors.values()) await this.load(executor);
    });
  }

  /** The class of each pixel, at the image's size. @throws UserError for images below 32×32 or without the memory for it. */
  labels(image: RgbImage): Promise<LabelImage> {
    const { height, width } = image;
    return this.inTurn(async () => {
      const data = (await this.run(image, 'labels', 'prediction')) as Uint8Array;
      return { height, width, data };
    });
  }

  /**
   * Shows a frame to the network at a size, and draws it with its classes on a canvas, all on the GPU.
   * @returns false where the device does not draw.
   */
  show(source: FrameSource, size: Size, look: FrameLook): Promise<boolean> {
    return this.inTurn(async () => {
      const executor = await this.executor(size, 'labels');
      await executor.show?.(source, look);
      return executor.show !== undefined;
    });
  }

  /** Logits at the network's own resolution. @throws UserError for images below 32×32. */
  logits(image: RgbImage): Promise<CoarseLogits> {
    return this.inTurn(async () => {
      const data = (await this.run(image, 'logits', 'logits')) as Float32Array;
      const executor = await this.executor(image, 'logits');
      const [, height, width, classes] = executor.plan.slots.logits.shape;
      return { height, width, classes, data, alignCorners: this.network.alignCorners };
    });
  }

  /** The plan for images of a size, made once; nothing is allocated. @throws UserError below 32×32. */
  plan(size: Size, output: Output = 'labels'): Plan {
    const key = keyOf(size, output);
    const known = this.executors.get(key)?.plan ?? this.plans.get(key);
    if (known) return known;
    const { backend, precision } = this.options;
    const { height, width } = size;
    const plan = compileInference(this.network, {
      ...{ batch: 1, height, width, output, precision, consumesImages: true },
      scratchBytes: backend.scratchBytes,
    });
    this.plans.set(key, plan);
    if (this.plans.size > mostPlans) this.plans.delete(this.plans.keys().next().value!);
    return plan;
  }

  /**
   * Checks that images of a size fit into memory, before anything is allocated or decoded for them.
   * @param besides bytes that the caller needs too.
   * @throws UserError that names a window that fits.
   */
  check(size: Size, output: Output = 'labels', besides = 0): void {
    if (this.executors.has(keyOf(size, output))) return;
    const bytesOf = (height: number, width: number) =>
      besides + this.plan({ height, width }, 'logits').arenaBytes;
    const needed = besides + this.plan(size, output).arenaBytes;
    checkPicture(size, needed, bytesOf, this.options.backend.usableBytes());
  }

  /** Bytes allocated now. */
  get allocatedBytes(): number {
    return [...this.executors.values()].reduce((sum, executor) => sum + executor.allocatedBytes, 0);
  }

  /** Frees all memory and threads. */
  dispose(): Promise<void> {
    return this.inTurn(() => this.shrinkTo(0));
  }

  private async run(image: RgbImage, output: Output, slot: string): Promise<Float32Array | Uint8Array> {
    const executor = await this.executor(image, output);
    executor.write('images', image.data);
    await executor.run('forward');
    return executor.read(slot);
  }

  private async executor(size: Size, output: Output): Promise<Executor> {
    const key = keyOf(size, output);
    let executor = this.executors.get(key);
    if (executor) this.executors.delete(key);
    else {
      this.check(size, output);
      const plan = this.plan(size, output);
      const { backend, threads, sizes = 2 } = this.options;
      await this.shrinkTo(sizes - 1);
      executor = await backend.prepare(plan, { threads });
      this.plans.delete(key);
      await this.load(executor);
    }
    this.executors.set(key, executor);
    return executor;
  }

  private async load(executor: Executor): Promise<void> {
    for (const name of modelSlots(executor.plan).keys()) executor.write(name, this.weights.get(name)!);
    await executor.run('prepare');
  }

  private async shrinkTo(count: number): Promise<void> {
    for (const [key, executor] of this.executors) {
      if (this.executors.size <= count) return;
      this.executors.delete(key);
      await executor.dispose();
    }
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.turn.then(work);
    this.turn = result.catch(() => undefined);
    return result;
  }
}
