import type { TrainingBatch } from './engine.js';

/** A batch with the names of its images, for messages. */
export interface NamedBatch extends TrainingBatch {
  readonly ids: readonly string[];
}

/** Where batches come from; order and content must depend only on the epoch and the step. */
export interface BatchSource {
  /** Batches an epoch. */
  readonly steps: number;
  /** Milliseconds the caller has waited for batches so far. */
  readonly waitMs: number;
  /** Bytes of decoded images held now. */
  readonly cacheBytes: number;
  batches(epoch: number, startStep: number): AsyncIterable<NamedBatch>;
  /** Names of the images of a batch, for messages. */
  ids(epoch: number, step: number): readonly string[];
}
