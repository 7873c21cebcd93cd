import type { PicturesConfig } from '../library.ts';
import type { OwnPicture } from './project.ts';
import { unpainted } from './project.ts';

export const trainingSides = [160, 240, 320, 480, 640] as const;
export type TrainingSide = (typeof trainingSides)[number];

/** Optimiser steps of a run. */
export const lengths = { short: 150, middle: 500, long: 2000 } as const;
export type Length = keyof typeof lengths;

/** Pictures with anything painted: what is trained on, and every fifth held out once there are five. */
export function split(pictures: readonly OwnPicture[]): {
  readonly train: readonly OwnPicture[];
  readonly validation: readonly OwnPicture[];
  /** Whether validation pictures are not trained on. */
  readonly heldOut: boolean;
} {
  const painted = pictures.filter(({ mask }) => mask.some((id) => id !== unpainted));
  if (painted.length < 5) return { train: painted, validation: painted, heldOut: false };
  const isHeld = (_: OwnPicture, i: number): boolean => i % 5 === 4;
  return {
    train: painted.filter((picture, i) => !isHeld(picture, i)),
    validation: painted.filter(isHeld),
    heldOut: true,
  };
}

/** The options of a run over pictures: of one size, short enough to watch. */
export function configOf(train: readonly OwnPicture[], side: TrainingSide, length: Length): PicturesConfig {
  const shapes = train.map(({ width, height }) => width / height).sort((a, b) => a - b);
  const shape = shapes[shapes.length >> 1];
  // Multiples of 8 divide evenly down to the coarsest map.
  const even = (pixels: number): number => Math.max(32, 8 * Math.round(pixels / 8));
  const width = even(shape >= 1 ? side : side * shape);
  const height = even(shape >= 1 ? side / shape : side);
  const batch = Math.min(4, train.length);
  const epochs = Math.ceil(lengths[length] / Math.floor(train.length / batch));
  return {
    size: { resize: [height, width] },
    batch,
    epochs,
    learningRate: 4e-3,
    schedule: 'cosine',
    warmup: 5,
    classWeights: 'enet',
    augment: { flip: true, scale: [0.8, 1.5], jitter: 0.3 },
    validateEvery: Math.max(1, Math.round(epochs / 15)),
    logEvery: 1,
    saveEveryMinutes: 0.5,
  };
}
