import { DeviceError, UserError } from '../errors.js';
import { NonFiniteError } from './engine.js';

/** A step by its place in the run. */
export interface StepAt {
  /** From 0. */
  readonly epoch: number;
  /** Counted from 1. */
  readonly step: number;
  readonly stepInEpoch: number;
  readonly learningRate: number;
}

/**
 * Throws an error of a step on, with where it happened and what to do where that is known.
 * @param ids names of the images of a batch of the step.
 * @param last the name of the newest checkpoint.
 */
export function explainStep(
  error: unknown,
  { epoch, step }: StepAt,
  ids: (batch: number) => readonly string[],
  last: string,
): never {
  const place = `step ${step} (epoch ${epoch + 1})`;
  if (error instanceof DeviceError) {
    throw new DeviceError(
      `${place}: ${error.message}. ${last} holds the state of the last save; go on with \`resume\``,
    );
  }
  if (!(error instanceof NonFiniteError)) throw error;
  throw new UserError(
    `${place}: ${error.message}; its images: ${ids(error.batch).join(', ')}. ` +
      `${last} holds the state of the last save; lower the learning rate and start again, or look at these images`,
  );
}
