import type { Files } from '../library.ts';
import { text } from '../text.ts';
import { PacedStore } from './pacedStore.ts';

/**
 * The files of the page's run. A new run leaves the one before as it is until its own first checkpoint is written; after that
 * it goes on though the browser's storage is full: what that does not take is held in memory.
 */
export class RunFiles implements Files {
  readonly place: string;
  readonly store: PacedStore;
  /** What a new run wrote before its first checkpoint. */
  private begun: Map<string, Uint8Array> | undefined;

  /**
   * @param stored the browser's storage, if it gives the page any.
   * @param held what that did not take.
   * @param onFull is told when it begins not to take something.
   */
  constructor(
    private readonly stored: Files | undefined,
    readonly held = new Map<string, Uint8Array>(),
    private readonly onFull: () => void = () => undefined,
  ) {
    this.place = stored?.place ?? 'this tab';
    this.store = new PacedStore(this);
  }

  /** From here on, what is written is of a new run. */
  begin(): void {
    this.begun = new Map();
  }

  /** Whether nothing of a new run is kept yet. */
  get isNew(): boolean {
    return this.begun !== undefined;
  }

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.held.get(name) ?? (await this.stored?.read(name));
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const { begun, held, store, stored } = this;
    if (begun && name !== store.last) {
      begun.set(name, bytes);
    } else if (begun) {
      await stored?.write(name, bytes).catch((error: unknown) => {
        throw isFull(error) ? new Error(text.problems.noRoom) : error;
      });
      this.begun = undefined;
      held.clear();
      if (!stored) held.set(name, bytes);
      await stored?.remove(store.best);
      for (const [other, content] of begun) await this.write(other, content);
    } else if (!stored) {
      held.set(name, bytes);
    } else {
      try {
        await stored.write(name, bytes);
        held.delete(name);
      } catch (error) {
        if (!isFull(error)) throw error;
        if (held.size === 0) this.onFull();
        held.set(name, bytes);
      }
    }
  }

  async remove(name: string): Promise<void> {
    this.held.delete(name);
    await this.stored?.remove(name);
  }

  /** Writes what is not written yet, if there is room by now. */
  async flush(): Promise<void> {
    await this.store.settle();
    if (this.stored) for (const [name, bytes] of this.held) await this.write(name, bytes);
  }
}

/** Whether a write failed for want of room. */
const isFull = (error: unknown): boolean =>
  ((error as Error).cause as Error | undefined)?.name === 'QuotaExceededError';
