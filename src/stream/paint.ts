import type { Rgb } from '../data/classes.js';
import type { LabelImage, RgbImage } from '../data/image.js';

/** Paints frames of one size, again and again into the same memory: two buffers, as one may still be on its way out. */
export class Painter {
  private readonly buffers: RgbImage[] = [];
  private turn = 0;
  private readonly added: Uint16Array;
  private readonly kept: number;

  /**
   * @param alpha strength of the colours, 0 to 1.
   * @param options.beside the picture as it is on the left of its overlay.
   * @param options.band drawn below each picture, as wide as it.
   */
  constructor(
    private readonly colours: readonly Rgb[],
    alpha: number,
    private readonly options: { readonly beside?: boolean; readonly band?: RgbImage } = {},
  ) {
    const strength = Math.round(256 * alpha);
    this.kept = 256 - strength;
    this.added = Uint16Array.from(colours.flat(), (value) => value * strength + 128);
  }

  /** The overlay of a frame, with what the options add; the same pixels as `overlay` makes. */
  paint(image: RgbImage, labels: LabelImage): RgbImage {
    const out = this.buffer(image);
    const { width, height } = image;
    const { beside = false, band } = this.options;
    const start = beside ? 3 * width : 0;
    const stride = 3 * out.width;
    for (let y = 0; y < height; y++) {
      const from = 3 * y * width;
      if (beside) out.data.set(image.data.subarray(from, from + 3 * width), y * stride);
      this.row(image.data, labels.data, y * width, width, out.data, y * stride + start);
    }
    if (band) out.data.set(band.data, height * stride);
    return out;
  }

  private row(
    image: Uint8Array,
    labels: Uint8Array,
    pixel: number,
    count: number,
    out: Uint8Array,
    at: number,
  ): void {
    const { added, kept, colours } = this;
    for (let i = pixel, from = 3 * pixel, to = at; i < pixel + count; i++, from += 3, to += 3) {
      const label = labels[i];
      if (label < colours.length) {
        const c = 3 * label;
        out[to] = (image[from] * kept + added[c]) >> 8;
        out[to + 1] = (image[from + 1] * kept + added[c + 1]) >> 8;
        out[to + 2] = (image[from + 2] * kept + added[c + 2]) >> 8;
      } else {
        out[to] = image[from];
        out[to + 1] = image[from + 1];
        out[to + 2] = image[from + 2];
      }
    }
  }

  private buffer(image: RgbImage): RgbImage {
    const { beside, band } = this.options;
    const width = image.width * (beside ? 2 : 1);
    const height = image.height + (band?.height ?? 0);
    this.turn = 1 - this.turn;
    const found = this.buffers[this.turn];
    if (found?.width === width && found.height === height) return found;
    const made = { width, height, data: new Uint8Array(3 * width * height) };
    this.buffers[this.turn] = made;
    return made;
  }
}

/** Share of pixels of each class; of all pixels. */
export function classShares({ data }: LabelImage, classes: number): number[] {
  const counts = new Uint32Array(256);
  for (const label of data) counts[label]++;
  return Array.from(counts.subarray(0, classes), (count) => count / data.length);
}
