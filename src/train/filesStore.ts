import type { Files } from '../data/storage/named.js';
import type { ModelInfo, Tensors } from '../model/format.js';
import { encodeModel } from '../model/format.js';
import { type Metrics, parseMetrics } from './metricsLine.js';
import { decodeTraining, encodeTraining, type Progress, type TrainingState } from './state.js';
import type { RunStore } from './store.js';

/** A run in {@link Files}, under the names that a run folder has. */
export class FilesStore implements RunStore {
  readonly last = 'last.safetensors';
  readonly best = 'best.safetensors';
  private metrics = '';

  constructor(private readonly files: Files) {}

  get place(): string {
    return this.files.place;
  }
  get lastNamed(): string {
    return `${this.last} in ${this.place}`;
  }

  /** The newest checkpoint. @throws UserError where it is damaged. */
  async readLast(): Promise<TrainingState | undefined> {
    const bytes = await this.files.read(this.last);
    return bytes && decodeTraining(bytes, this.lastNamed);
  }

  /** Lines of metrics up to the newest checkpoint. */
  async readMetrics(): Promise<Metrics[]> {
    const text = new TextDecoder().decode(await this.files.read('metrics.jsonl'));
    return text.split('\n').flatMap((line) => parseMetrics(line) ?? []);
  }

  async open({ metricsBytes }: Progress): Promise<void> {
    const kept = metricsBytes > 0 ? await this.files.read('metrics.jsonl') : undefined;
    this.metrics = new TextDecoder().decode(kept?.subarray(0, metricsBytes));
  }

  async append(line: Metrics): Promise<void> {
    this.metrics += `${JSON.stringify(line)}\n`;
  }

  async scalars(): Promise<void> {}

  async sync(): Promise<number> {
    const bytes = new TextEncoder().encode(this.metrics);
    await this.files.write('metrics.jsonl', bytes);
    return bytes.length;
  }

  saveLast(state: TrainingState): Promise<void> {
    return this.files.write(this.last, encodeTraining(state));
  }

  saveBest(info: ModelInfo, weights: Tensors): Promise<void> {
    return this.files.write(this.best, encodeModel(info, weights));
  }

  async isOurs(): Promise<boolean> {
    return true;
  }

  rssBytes(): undefined {
    return undefined;
  }

  async close(): Promise<void> {}
}
