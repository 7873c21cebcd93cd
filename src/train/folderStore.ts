import path from 'node:path';
import { writeModel } from '../model/file.js';
import type { ModelInfo, Tensors } from '../model/format.js';
import { runFiles, writeTraining } from './checkpoint.js';
import { type Metrics, MetricsFile } from './metrics.js';
import type { Progress, TrainingState } from './state.js';
import type { RunStore } from './store.js';
import { TensorBoardWriter } from './tensorboard.js';

/** A run folder: checkpoints, `metrics.jsonl`, TensorBoard events. */
export class FolderStore implements RunStore {
  private readonly files: ReturnType<typeof runFiles>;
  private metrics: MetricsFile | undefined;
  private board: TensorBoardWriter | undefined;

  /** @param isOurs whether the folder is still this run's. */
  constructor(
    readonly place: string,
    readonly isOurs: () => Promise<boolean>,
  ) {
    this.files = runFiles(place);
  }

  get last(): string {
    return this.files.last;
  }
  get best(): string {
    return this.files.best;
  }
  get lastNamed(): string {
    return `${path.basename(this.last)} in ${path.dirname(this.last)}`;
  }

  async open({ metricsBytes, step }: Progress): Promise<void> {
    this.metrics = await MetricsFile.open(this.files.metrics, metricsBytes);
    this.board = await TensorBoardWriter.create(this.place, step);
  }

  append(line: Metrics): Promise<void> {
    return this.metrics!.append(line);
  }

  async scalars(step: number, values: Readonly<Record<string, number>>): Promise<void> {
    this.board!.scalars(step, values);
    await this.board!.flush();
  }

  sync(): Promise<number> {
    return this.metrics!.sync();
  }

  saveLast(state: TrainingState): Promise<void> {
    return writeTraining(this.files.last, state, this.files.previous);
  }

  saveBest(info: ModelInfo, weights: Tensors): Promise<void> {
    return writeModel(this.files.best, info, weights);
  }

  rssBytes(): number {
    return process.memoryUsage.rss();
  }

  async close(): Promise<void> {
    await this.metrics?.close();
  }
}
