import type { Backend } from '../backends/backend.js';
import { compileTraining, IGNORE } from '../compile.js';
import { resizePair } from '../data/augment/resample.js';
import type { RgbImage } from '../data/image.js';
import { UserError } from '../errors.js';
import { modelSlots } from '../model/slots.js';
import type { Network } from '../nets/index.js';

export interface AdaptOptions {
  readonly backend: Backend;
  readonly threads?: number;
  /** Pictures are resized to this height and width. */
  readonly size: readonly [height: number, width: number];
  /** Pictures whose statistics are taken together. Default 4. */
  readonly batch?: number;
  /** Share of the model's own statistics that stays, 0 to 1. Default 0. */
  readonly keep?: number;
}

/** Part of the batch that enters running statistics in one training step, `momentum` of `runningStats`. */
const momentum = 0.1;

/**
 * Statistics of batch normalisation for other pictures than a model was trained on, without labels: the mean and variance of every
 * channel over the pictures, as they come when each batch is normalised by itself (Li et al. 2016, Revisiting Batch
 * Normalization for Practical Domain Adaptation). Weights stay as they are. The last pictures that fill no batch are left out.
 * @returns all tensors of the model, with new running means and variances.
 * @throws UserError where there are fewer pictures than a batch.
 */
export async function adaptStatistics(
  network: Network,
  weights: ReadonlyMap<string, Float32Array>,
  pictures: AsyncIterable<RgbImage> | Iterable<RgbImage>,
  { backend, threads, size: [height, width], batch = 4, keep = 0 }: AdaptOptions,
): Promise<Map<string, Float32Array>> {
  const plan = compileTraining(network, { batch, height, width, scratchBytes: backend.scratchBytes });
  const executor = await backend.prepare(plan, { threads });
  try {
    const names = [...modelSlots(plan)].filter(([, { role }]) => role !== 'param').map(([name]) => name);
    for (const name of modelSlots(plan).keys()) executor.write(name, weights.get(name)!);
    executor.write('labels', new Uint8Array(batch * height * width).fill(IGNORE));
    const moments = new Map(names.map((name) => [name, new Moments(weights.get(name)!.length)]));
    const pixels = new Uint8Array(3 * batch * height * width);
    let waiting = 0;
    for await (const picture of pictures) {
      pixels.set(resized(picture, height, width), 3 * height * width * waiting++);
      if (waiting < batch) continue;
      waiting = 0;
      executor.write('images', pixels);
      // From zero, a step leaves `momentum` times the batch's own.
      for (const name of names) executor.write(name, new Float32Array(weights.get(name)!.length));
      await executor.run('forward');
      for (const name of names) moments.get(name)!.add((await executor.read(name)) as Float32Array);
    }
    if ([...moments.values()].some(({ count }) => count === 0)) {
      throw new UserError(
        `adapting needs at least ${batch} pictures, one batch; give more, or a smaller batch`,
        2,
      );
    }
    return adapted(weights, moments, keep);
  } finally {
    await executor.dispose();
  }
}

/** Mean and spread over batches of what each batch left. */
class Moments {
  count = 0;
  private readonly sum: Float64Array;
  private readonly squares: Float64Array;

  constructor(length: number) {
    this.sum = new Float64Array(length);
    this.squares = new Float64Array(length);
  }

  add(values: Float32Array): void {
    this.count++;
    for (const [i, value] of values.entries()) {
      this.sum[i] += value / momentum;
      this.squares[i] += (value / momentum) ** 2;
    }
  }

  mean(i: number): number {
    return this.sum[i] / this.count;
  }

  /** Variance of the batches' values about their mean. */
  spread(i: number): number {
    return Math.max(0, this.squares[i] / this.count - this.mean(i) ** 2);
  }
}

/** Variance over all batches is that within them, on average, and that of their means. */
function adapted(
  weights: ReadonlyMap<string, Float32Array>,
  moments: ReadonlyMap<string, Moments>,
  keep: number,
): Map<string, Float32Array> {
  return new Map(
    [...weights].map(([name, old]) => {
      const found = moments.get(name);
      if (!found) return [name, old];
      const means = name.endsWith('.variance') ? moments.get(name.replace(/variance$/, 'mean')) : undefined;
      const blended = old.map(
        (value, i) => keep * value + (1 - keep) * (found.mean(i) + (means?.spread(i) ?? 0)),
      );
      return [name, blended];
    }),
  );
}

function resized(image: RgbImage, height: number, width: number): Uint8Array {
  if (image.height === height && image.width === width) return image.data;
  const labels = {
    height: image.height,
    width: image.width,
    data: new Uint8Array(image.height * image.width),
  };
  return resizePair({ image, labels }, height, width).image.data;
}
