import type { LabelImage, RgbImage } from '../../data/image.js';
import type { Source } from '../../data/sources/source.js';

/** What was predicted for a picture. */
export interface Result {
  readonly image: RgbImage;
  readonly labels: LabelImage;
  readonly confidence?: LabelImage;
}

/** Where predictions go. */
export interface Writer {
  /** Whether the probability of each pixel's class is written. */
  readonly needsConfidence?: boolean;
  /** What was written of an image before, where it need not be done again. */
  done?(input: Source): Promise<Record<string, string> | undefined>;
  /** @returns what was written, for `--json`. */
  add(input: Source, result: Result): Promise<object>;
  finish?(): Promise<unknown>;
  abort?(): Promise<void>;
}
