import type { LabelImage, RgbImage } from '../../data/image.js';
import type { Source } from '../../data/sources/source.js';
import type { ModelInfo } from '../../model/format.js';

/** A picture and what was predicted for it. */
export interface Shown {
  readonly input: Source;
  readonly image: RgbImage;
  readonly labels: LabelImage;
  /** Probability of each pixel's class, 0 to 255, where a kind needs it. */
  readonly confidence?: LabelImage;
  readonly info: ModelInfo;
  /** Strength of the colours in the overlay. */
  readonly alpha: number;
  /** Draw the classes' names below the overlay. */
  readonly legend: boolean;
}

/** A kind of file that a prediction leaves. Adding one is a line in `outputKinds`. */
export interface OutputKind {
  readonly name: string;
  /** What follows the picture's name and an underscore. */
  readonly ending: string;
  /** Written where nothing else is asked for. */
  readonly usual?: boolean;
  readonly needsConfidence?: boolean;
  /** What it is, for the help. */
  readonly help: string;
  /** @param file where it will be. @param mark is to be found in it by `readMark`. */
  encode(shown: Shown, file: string, mark: string): Promise<Uint8Array>;
}
