import type { TrainingState } from '../library.ts';
import { FilesStore } from '../library.ts';

/** Milliseconds between checkpoints. */
const pace = 3000;

/**
 * Writes a checkpoint every few seconds at most: an epoch of a few pictures is over sooner than one is hashed and written.
 * Who ends a run writes the newest by {@link settle}.
 */
export class PacedStore extends FilesStore {
  private due: TrainingState | undefined;
  private wroteAt = Number.NEGATIVE_INFINITY;

  override async saveLast(state: TrainingState): Promise<void> {
    this.due = state;
    if (performance.now() - this.wroteAt >= pace) await this.settle();
  }

  override async readLast(): Promise<TrainingState | undefined> {
    return this.due ?? (await super.readLast());
  }

  /** Writes the newest checkpoint, if it is not written yet. */
  async settle(): Promise<void> {
    const { due } = this;
    if (!due) return;
    this.due = undefined;
    await super.saveLast(due);
    this.wroteAt = performance.now();
  }
}
