import type { Scores } from '../eval/iou.js';

/** What a training run tells while it runs. */
export type TrainEvent =
  | {
      /** Everything is ready; the first step comes next. */
      readonly type: 'start';
      readonly epochs: number;
      readonly stepsPerEpoch: number;
      /** Trained scalars. */
      readonly parameters: number;
      readonly height: number;
      readonly width: number;
      readonly planBytes: number;
      /** Budget for decoded images that are kept, besides the plan and the process. */
      readonly cacheBytes: number;
      /** Optimiser steps that were done already. */
      readonly step: number;
    }
  | {
      readonly type: 'step';
      /** From 0. */
      readonly epoch: number;
      /** Optimiser steps done, of `steps` in the whole run. */
      readonly step: number;
      readonly steps: number;
      readonly stepInEpoch: number;
      readonly stepsPerEpoch: number;
      readonly loss: number;
      readonly gradientNorm: number;
      readonly learningRate: number;
      /** Over the last steps. */
      readonly imagesPerSecond: number;
      /** Share of the time spent waiting for data over the last steps, 0 to 1. */
      readonly dataWait: number;
      /** Until the last step, without validations. */
      readonly etaSeconds: number;
      readonly memory: {
        /** What was planned: the arena. */
        readonly planBytes: number;
        /** What the backend allocated for it. */
        readonly allocatedBytes: number;
        /** Decoded images that are kept. */
        readonly cacheBytes: number;
        /** Resident memory of the whole process; a browser does not tell. */
        readonly rssBytes?: number;
      };
    }
  /** Teachers look at the training images, before the start. */
  | { readonly type: 'teaching'; readonly done: number; readonly total: number }
  | { readonly type: 'validating'; readonly epoch: number; readonly done: number; readonly total: number }
  | {
      readonly type: 'validation';
      readonly epoch: number;
      readonly step: number;
      readonly scores: Scores;
      readonly seconds: number;
      /** The highest mIoU so far: `best` was written. */
      readonly best: boolean;
    }
  | { readonly type: 'saved'; readonly file: string; readonly epoch: number; readonly step: number }
  /** One line worth telling. `otherClasses`: that the model to start from tells `from` classes apart, and this one `to`. */
  | {
      readonly type: 'notice';
      readonly message: string;
      readonly otherClasses?: { readonly from: number; readonly to: number };
    };

/** How a run ended. */
export interface TrainResult {
  /** True where the signal stopped it: `last` is saved, and resuming goes on from there. */
  readonly interrupted: boolean;
  /** Epochs done. */
  readonly epoch: number;
  /** Optimiser steps done. */
  readonly step: number;
  /** Highest validation mIoU; absent without validation. */
  readonly bestMiou?: number;
  /** The newest checkpoint. */
  readonly last: string;
  /** The model of the highest validation mIoU; absent without validation. */
  readonly best?: string;
}
