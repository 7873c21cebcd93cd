import type { ModelInfo, Tensors } from '../model/format.js';
import type { Metrics } from './metricsLine.js';
import type { Progress, TrainingState } from './state.js';

/** Takes what a run leaves: a folder of files, or the storage of a page. */
export interface RunStore {
  /** What messages name. */
  readonly place: string;
  /** The newest checkpoint and the best model, by path or name. */
  readonly last: string;
  readonly best: string;
  /** The newest checkpoint in a sentence: `last.safetensors in runs/a`. */
  readonly lastNamed: string;
  /** Before the first step: metrics of steps that will be done again are cut off. */
  open(progress: Progress): Promise<void>;
  append(line: Metrics): Promise<void>;
  /** Curves for other programs. */
  scalars(step: number, values: Readonly<Record<string, number>>): Promise<void>;
  /** Makes what was appended durable. @returns its length in bytes. */
  sync(): Promise<number>;
  saveLast(state: TrainingState): Promise<void>;
  saveBest(info: ModelInfo, weights: Tensors): Promise<void>;
  /** False where the place was moved, deleted or taken by another run meanwhile. */
  isOurs(): Promise<boolean>;
  /** Resident memory of the process, where it can be told. */
  rssBytes(): number | undefined;
  close(): Promise<void>;
}
