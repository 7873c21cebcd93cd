import type { Decoded } from './tasks.js';

/** Decoded samples kept from epoch to epoch within a budget of bytes. May be shared by several loaders. */
export class SampleCache {
  private readonly samples = new Map<string, Decoded>();
  private held = 0;

  /** @param budget bytes; 0 keeps nothing. */
  constructor(public budget = 0) {}

  /** Bytes held now. */
  get bytes(): number {
    return this.held;
  }

  /** Whether it takes more: a sample is only worth copying then. */
  get open(): boolean {
    return this.held < this.budget;
  }

  /** @param key the path of the image. */
  get(key: string): Decoded | undefined {
    return this.samples.get(key);
  }

  /** First come, first kept: with a random order, evicting would only swap equals. */
  add(key: string, sample: Decoded): void {
    const bytes = sample.image.byteLength + sample.labels.byteLength;
    if (this.samples.has(key) || this.held + bytes > this.budget) return;
    this.samples.set(key, sample);
    this.held += bytes;
  }

  clear(): void {
    this.samples.clear();
    this.held = 0;
  }
}
