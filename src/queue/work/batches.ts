import type { Batch, Loader } from '../../data/loader.js';

/** Bytes of batches that are decoded ahead; one always may be. */
const mostBytes = 64 * 2 ** 20;

/** A batch of a step, and which of the data it is. */
export interface BatchPlace {
  readonly step: number;
  readonly batch: number;
  readonly epoch: number;
  /** Among the batches of the epoch. */
  readonly index: number;
}

/**
 * Batches that a worker decodes while it waits for the weights of the next step. Who has computed a batch of one step is
 * likely to get the same place in the next: a worker claims what it has ready.
 */
export class BatchesAhead {
  private readonly ready = new Map<string, { readonly place: BatchPlace; readonly batch: Promise<Batch> }>();

  constructor(
    private readonly loader: Loader,
    /** Of a batch. */
    private readonly bytes: number,
  ) {}

  /** Those of a step that are there or on their way; what is of earlier ones is given up. */
  of(step: number): number[] {
    const found: number[] = [];
    for (const [key, { place, batch }] of this.ready) {
      if (place.step === step) found.push(place.batch);
      else if (place.step < step) {
        this.ready.delete(key);
        batch.then(
          (done) => this.loader.recycle(done),
          () => undefined,
        );
      }
    }
    return found;
  }

  begin(place: BatchPlace): void {
    const { ready, loader, bytes } = this;
    const key = keyOf(place);
    if (ready.has(key) || (ready.size + 1) * bytes > Math.max(bytes, mostBytes)) return;
    const batch = loader.at(place.epoch, place.index);
    // A failure is told when its batch is due.
    batch.catch(() => undefined);
    ready.set(key, { place, batch });
  }

  take(place: BatchPlace): Promise<Batch> {
    const key = keyOf(place);
    const found = this.ready.get(key)?.batch;
    this.ready.delete(key);
    return found ?? this.loader.at(place.epoch, place.index);
  }
}

const keyOf = ({ step, epoch, index }: BatchPlace): string => `${step} ${epoch} ${index}`;
