import type { LabelImage, RgbImage } from '../data/image.js';

/** A picture in memory with the class of each of its pixels; 255 counts neither in the loss nor in scores. */
export interface LabelledPicture {
  /** What messages name. */
  readonly id: string;
  readonly image: RgbImage;
  readonly labels: LabelImage;
}
