import type { LabelledPicture, PicturesConfig, TrainEvent } from '../library.ts';
import type { OwnClass } from './project.ts';

/** Where the page keeps its run. */
export const runPlace = 'run';

/** What a training begins with: the model in the box, the page's own last one, or nothing. */
export type Beginning = 'box' | 'own' | 'fresh';

export interface Job {
  readonly train: readonly LabelledPicture[];
  readonly validation: readonly LabelledPicture[];
  readonly classes: readonly OwnClass[];
  readonly config: PicturesConfig;
  readonly beginning: Beginning;
  readonly resume: boolean;
  /** Files of the run before that the browser's storage did not take. */
  readonly held: ReadonlyMap<string, Uint8Array>;
}

/** From the page to the worker that trains. */
export type ToWorker = { readonly kind: 'start'; readonly job: Job } | { readonly kind: 'stop' };

/** What the network says of a validation picture. */
export interface Prediction {
  readonly id: string;
  readonly labels: Uint8Array;
  /** From 1. */
  readonly epoch: number;
}

/** From the worker to the page. */
export type FromWorker =
  | { readonly kind: 'event'; readonly event: TrainEvent }
  | ({ readonly kind: 'prediction' } & Prediction)
  /** One sentence about what went wrong; the training goes on. `onlyHere`: what it learns is not kept. */
  | { readonly kind: 'notice'; readonly message: string; readonly onlyHere?: true }
  /** It is over; `held`: files that the browser's storage did not take. */
  | { readonly kind: 'end'; readonly problem: string | undefined; readonly held: Job['held'] };
