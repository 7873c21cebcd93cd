import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Backend, Executor } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { writeLabelPng, writeRgbPng } from '../../src/data/image.js';
import { Rng } from '../../src/data/rng.js';
import type { LabelledPicture } from '../../src/train/labelledPicture.js';
import type { TrainOptions } from '../../src/train/train.js';

/** The smallest VNet: enough to learn two colours. */
export const tinyNetwork = {
  name: 'vnet',
  config: {
    alpha: 1,
    beta: 1,
    stem: 4,
    widths: [8, 16],
    pyramid: [3],
    dilations2: [[1, 1]],
    dilations3: [[1, 2]],
  },
};

/**
 * The reference backend with weights and state rounded to float32 after every run, as the others hold them: a
 * checkpoint then keeps all there is.
 */
export const roundingBackend: Backend = {
  ...referenceBackend,
  async prepare(plan) {
    const executor = await referenceBackend.prepare(plan);
    const kept = Object.entries(plan.slots).filter(([, { initial }]) => initial);
    const wrapped: Executor = {
      plan,
      allocatedBytes: executor.allocatedBytes,
      write: (slot, data, at) => executor.write(slot, data, at),
      read: (slot) => executor.read(slot),
      profile: (...phases) => executor.profile(...phases),
      dispose: () => executor.dispose(),
      async run(...phases) {
        await executor.run(...phases);
        for (const [name] of kept) executor.write(name, await executor.read(name));
      },
    };
    return wrapped;
  },
};

/** Noise of 40×32 pixels with random labels of two classes. */
export function randomPictures(count: number, seed: number): LabelledPicture[] {
  const rng = Rng.of(seed);
  const [width, height] = [40, 32];
  return Array.from({ length: count }, (_, i) => ({
    id: `picture ${i}`,
    image: { width, height, data: Uint8Array.from({ length: 3 * width * height }, () => rng.int(256)) },
    labels: { width, height, data: Uint8Array.from({ length: width * height }, () => rng.int(2)) },
  }));
}

/** Writes a folder data set: bright left part is class 1, the dark rest class 0; the edge differs by image. */
export async function writeDataset(
  dir: string,
  splits: Readonly<Record<string, number>>,
  size: readonly [number, number] = [32, 40],
): Promise<void> {
  const [height, width] = size;
  const rng = Rng.of(7);
  mkdirSync(dir, { recursive: true });
  writeFileSync(path.join(dir, 'classes.json'), '{"names": ["dark", "bright"]}');
  for (const [split, count] of Object.entries(splits)) {
    for (let i = 0; i < count; i++) {
      const edge = Math.round(width * rng.range(0.3, 0.7));
      const image = new Uint8Array(height * width * 3);
      const labels = new Uint8Array(height * width);
      for (let p = 0; p < labels.length; p++) {
        labels[p] = p % width < edge ? 1 : 0;
        for (let c = 0; c < 3; c++) image[3 * p + c] = (labels[p] ? 190 : 40) + rng.int(30);
        if (rng.chance(0.02)) labels[p] = 255;
      }
      await writeRgbPng(path.join(dir, 'images', split, `${split}${i}.png`), { width, height, data: image });
      await writeLabelPng(path.join(dir, 'labels', split, `${split}${i}.png`), {
        width,
        height,
        data: labels,
      });
    }
  }
}

export const shortRecipe = {
  network: tinyNetwork,
  epochs: 3,
  batch: 2,
  learningRate: 5e-3,
  average: 0.9,
  logEvery: 2,
} as const;

/** Options of a short run on such a data set. */
export const shortRun = (data: string, out: string): TrainOptions => ({
  ...shortRecipe,
  data,
  out,
  device: roundingBackend,
  samples: 0,
  workers: 0,
});
