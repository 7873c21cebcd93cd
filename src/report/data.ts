import type { Rgb } from '../data/classes.js';
import type { MemoryPoint } from '../graph/planned.js';

/** A row of a small table: what, how much, and a remark. */
export interface Fact {
  readonly label: string;
  readonly value: string;
  readonly note?: string;
}

/** Mean loss of an optimiser step. */
export interface LossPoint {
  /** Position in the run, in epochs; 1.5 is the middle of the second. */
  readonly epoch: number;
  readonly loss: number;
}

/** A validation during training. */
export interface ScorePoint {
  readonly epoch: number;
  /** In [0, 1]. */
  readonly miou: number;
}

/** A class and its score in [0, 1]; `undefined` where it has none. */
export interface ClassScore {
  readonly name: string;
  readonly colour: Rgb;
  readonly iou: number | undefined;
}

/** One picture three times, as `data:` URIs. */
export interface SampleImages {
  readonly name: string;
  /** mIoU of this image alone, in [0, 1]. */
  readonly miou: number | undefined;
  readonly image: string;
  readonly prediction: string;
  /** Absent where there are no labels. */
  readonly truth?: string;
}

/** Memory of the training step: as planned, and as measured. */
export interface MemoryFacts {
  readonly arenaBytes: number;
  /** The arena's use over the calls of one step. */
  readonly timeline: readonly MemoryPoint[];
  readonly facts: readonly Fact[];
}

/** Everything a report shows; parts that are not there yet are left out of the page. */
export interface ReportData {
  readonly title: string;
  readonly subtitle: string;
  /** While a run goes on, the page reloads itself. */
  readonly running: boolean;
  /** The few numbers that matter most. */
  readonly headline: readonly Fact[];
  readonly loss: readonly LossPoint[];
  readonly scores: readonly ScorePoint[];
  readonly classes: readonly ClassScore[];
  /** How many images the scores rest on, where there are scores. */
  readonly images?: number;
  readonly memory?: MemoryFacts;
  readonly time: readonly Fact[];
  readonly settings: readonly Fact[];
  readonly samples: readonly SampleImages[];
  /** The images with the lowest score, lowest first. */
  readonly worst: readonly SampleImages[];
}
