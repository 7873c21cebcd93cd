import { UserError } from '../errors.js';

/** What one batch gives an optimiser step. */
export interface BatchGradient {
  /** Mean cross-entropy over the labelled pixels. */
  readonly loss: number;
  /** Weight of the labelled pixels. */
  readonly weight: number;
  /** Gradient of all parameters, flat. */
  readonly grads: Float32Array;
  /** √Σg² of it, where it is known. */
  readonly norm?: number;
  /**
   * What the batch adds to the running statistics, momentum times its own, flat (see `TrainingEngine.contribution`);
   * absent where the engine's own executor has run the batch, and so has them already.
   */
  readonly statistics?: Float32Array;
}

/** The batches of one optimiser step. */
export interface StepBatches {
  readonly epoch: number;
  /** The first of them, among the batches of the epoch. */
  readonly first: number;
  readonly count: number;
  /** Optimiser steps done so far. */
  readonly step: number;
  /** Aborted, a source may give the step up: it throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Thrown by a source that gives no more gradients. Weights are those before the step, and are saved. */
export class GradientsLostError extends UserError {}

/** Where the gradients of a step are computed: here, or by workers behind a queue. The bits are the same. */
export interface GradientSource {
  /** Gradients of the batches in their order, from the weights that the engine has now. */
  gradients(batches: StepBatches): AsyncIterable<BatchGradient>;
  close(): Promise<void>;
}
