/** How the learning rate falls over a run. */
export interface Schedule {
  /**
   * `poly`: `lr·(1 − t)^power`; `cosine`: `lr·(1 + cos πt)/2`; `constant`: `lr`; t runs from 0 (first step after
   * warm-up) towards 1 (end of the run).
   */
  readonly kind: 'poly' | 'cosine' | 'constant';
  /** The highest learning rate. */
  readonly learningRate: number;
  /** Optimiser steps of the whole run, warm-up included. */
  readonly steps: number;
  /** Exponent of `poly`. Default 0.9. */
  readonly power?: number;
  /** Steps over which the rate first rises linearly, step i using `lr·(i + 1)/(warmup + 1)`. Default 0. */
  readonly warmup?: number;
}

/** The learning rate of optimiser step `step`, counted from 0. Steps at or past the end give the final rate. */
export function learningRateAt(schedule: Schedule, step: number): number {
  const { kind, learningRate, steps, power = 0.9, warmup = 0 } = schedule;
  if (step < warmup) return (learningRate * (step + 1)) / (warmup + 1);
  const t = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  switch (kind) {
    case 'poly':
      return learningRate * (1 - t) ** power;
    case 'cosine':
      return (learningRate * (1 + Math.cos(Math.PI * t))) / 2;
    case 'constant':
      return learningRate;
  }
}
