import { UserError } from '../../errors.js';
import { checkPixels, type LabelImage } from '../image.js';
import { fillRings, type Ring } from './polygon.js';

/** A label image that figures are painted on, one over the other. `file` is what messages name. */
export class Canvas {
  readonly labels: LabelImage;

  /** @throws UserError for a size that is none or too large, before memory is spent on it. */
  constructor(
    private readonly file: string,
    size: { readonly height: number; readonly width: number },
    background: number,
  ) {
    const { height, width } = size;
    try {
      checkPixels(size);
    } catch (error) {
      throw this.wrong(error);
    }
    this.labels = { height, width, data: new Uint8Array(height * width).fill(background) };
  }

  /** @throws UserError for rings that are no polygon. */
  polygon(rings: readonly Ring[], value: number): void {
    const { width, data } = this.labels;
    try {
      fillRings(rings, this.labels, (row, from, to) =>
        data.fill(value, row * width + from, row * width + to),
      );
    } catch (error) {
      throw this.wrong(error);
    }
  }

  /**
   * Paints run lengths down the columns, from the first column on: pixels outside, inside, outside, …
   * @throws UserError where they are not those of a picture of this size.
   */
  runs(counts: Iterable<number>, size: readonly [height: number, width: number], value: number): void {
    const { height, width, data } = this.labels;
    if (size[0] !== height || size[1] !== width) {
      throw this.wrong(
        new Error(`run lengths of ${size.join('×')} pixels for a picture of ${height}×${width}`),
      );
    }
    let at = 0;
    let inside = false;
    for (const count of counts) {
      if (count < 0 || !Number.isInteger(count) || at + count > data.length)
        throw this.wrong(new Error('run lengths beyond the picture'));
      if (inside) {
        for (let i = at; i < at + count; i++) data[(i % height) * width + Math.floor(i / height)] = value;
      }
      at += count;
      inside = !inside;
    }
    if (at !== data.length) throw this.wrong(new Error('run lengths that end before the picture does'));
  }

  /** Paints the pixels of a mask that are not 0, at a place; what lies outside the picture is left out. */
  mask(mask: LabelImage, left: number, top: number, value: number): void {
    const { height, width, data } = this.labels;
    for (let y = Math.max(0, -top); y < mask.height && top + y < height; y++) {
      for (let x = Math.max(0, -left); x < mask.width && left + x < width; x++) {
        if (mask.data[y * mask.width + x] !== 0) data[(top + y) * width + left + x] = value;
      }
    }
  }

  private wrong(error: unknown): UserError {
    return new UserError(`${this.file}: ${(error as Error).message}`);
  }
}
