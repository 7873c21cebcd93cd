import type { RgbImage } from '../data/image.js';
import { UserError } from '../errors.js';
import type { Outline, OutlineOptions } from './outlines.js';
import { outlinesOf } from './outlines.js';

/** A class that the model tells apart. */
export interface SegmentClass {
  /** Its value in `labels`. */
  readonly id: number;
  readonly name: string;
  /** Red, green, blue, each 0 to 255. */
  readonly colour: readonly [number, number, number];
}

/** How much of a picture a class takes. */
export interface ClassArea extends SegmentClass {
  readonly pixels: number;
  /** Of all pixels, 0 to 1. */
  readonly share: number;
}

/** RGBA pixels: an `ImageData` where there is that class, else what looks like one. */
export type RgbaImage = typeof globalThis extends { ImageData: { prototype: infer Image } }
  ? Image
  : { readonly width: number; readonly height: number; readonly data: Uint8ClampedArray };

/** An `ImageBitmap`, where there is that class. */
export type Bitmap = typeof globalThis extends { ImageBitmap: { prototype: infer Image } } ? Image : never;

/** How the classes of a picture are drawn. */
export interface OverlayOptions {
  /** Of the class colours, 0 to 1. Default 0.5. */
  readonly opacity?: number;
  /** Classes that are coloured, by name or id. Default all. */
  readonly only?: readonly (string | number)[];
  /** Whether the picture is drawn under the colours; else they lie on transparent ground. Default true. */
  readonly picture?: boolean;
}

function classIn(classes: readonly SegmentClass[], of: string | number): SegmentClass {
  const found = classes.find(({ id, name }) => id === of || name === of);
  if (found) return found;
  const names = classes.map(({ name }) => name).join(', ');
  throw new UserError(`class ${of}: this model has no such class; it has ${names}`);
}

/** Colours as the words of RGBA bytes, by class; zeros for classes that are not shown, and for what is none. */
export function coloursOf(
  classes: readonly SegmentClass[],
  only: readonly (string | number)[] | undefined,
): Uint32Array<ArrayBuffer> {
  const bytes = new Uint8Array(4 * 256);
  const shown = only?.map((of) => classIn(classes, of)) ?? classes;
  for (const { id, colour } of shown) bytes.set([...colour, 255], 4 * id);
  return new Uint32Array(bytes.buffer);
}

/** The classes of one picture's pixels, at the picture's size. */
export class Segmentation {
  readonly width: number;
  readonly height: number;
  private counted: readonly ClassArea[] | undefined;

  /** @param image the picture, RGB. */
  constructor(
    private readonly image: RgbImage,
    /** The class of each pixel, rows first: `labels[y · width + x]`. */
    readonly labels: Uint8Array,
    readonly classes: readonly SegmentClass[],
    /** The probability of each pixel's class, 0 to 255; where it was asked for. */
    readonly confidence?: Uint8Array,
  ) {
    this.width = image.width;
    this.height = image.height;
  }

  /** Every class with its pixels and its share of the picture, in the order of `classes`. */
  get areas(): readonly ClassArea[] {
    if (!this.counted) {
      const pixels = new Uint32Array(256);
      for (const label of this.labels) pixels[label]++;
      const count = this.labels.length;
      this.counted = this.classes.map((entry) => ({
        ...entry,
        pixels: pixels[entry.id],
        share: pixels[entry.id] / count,
      }));
    }
    return this.counted;
  }

  /** The class at a pixel. */
  classAt(x: number, y: number): SegmentClass {
    return this.classes[this.labels[y * this.width + x]];
  }

  /** 255 where the pixel is of the class, else 0. @throws UserError for a class that the model does not have. */
  mask(of: string | number): Uint8Array {
    const { id } = this.find(of);
    return this.labels.map((label) => (label === id ? 255 : 0));
  }

  /**
   * The mask as a bitmap for a canvas, white where the pixel is of the class and transparent elsewhere: drawn over a picture
   * with `globalCompositeOperation = 'destination-in'` it cuts the class out. In a browser; to be closed after use.
   * @param of one class, or several.
   * @throws UserError for a class that the model does not have, and in Node.
   */
  async maskBitmap(of: string | number | readonly (string | number)[]): Promise<Bitmap> {
    const white = new Uint32Array(256);
    for (const each of Array.isArray(of) ? of : [of]) white[this.find(each).id] = 0xffffffff;
    if (typeof createImageBitmap === 'undefined') {
      throw new UserError('maskBitmap: there are no bitmaps here; use mask()');
    }
    return (await createImageBitmap(this.coloured(white) as ImageData)) as Bitmap;
  }

  /** The class colours over the picture. `opacity` 0 is the picture, 1 the colours. */
  overlay({ opacity = 0.5, only, picture = true }: OverlayOptions = {}): RgbaImage {
    const share = Math.min(1, Math.max(0, opacity));
    const colours = coloursOf(this.classes, only);
    if (!picture) {
      const alpha = Math.round(255 * share) << 24;
      return this.coloured(colours.map((word) => (word === 0 ? 0 : (word & 0xffffff) | alpha)));
    }
    const opaque = Math.round(256 * share);
    const { data } = this.image;
    const rgba = new Uint32Array(this.labels.length);
    for (let i = 0, o = 0; i < rgba.length; i++, o += 3) {
      const colour = colours[this.labels[i]];
      const a = colour === 0 ? 0 : opaque;
      const mix = (shift: number, k: number) =>
        ((((colour >>> shift) & 255) * a + data[o + k] * (256 - a) + 128) >> 8) << shift;
      rgba[i] = 0xff000000 | mix(16, 2) | mix(8, 1) | mix(0, 0);
    }
    return this.rgbaImage(rgba);
  }

  /**
   * The class colours, opaque; or, with `only`, those of some classes on transparent ground, to be drawn over the
   * picture.
   */
  toImageData({ only }: { readonly only?: readonly (string | number)[] } = {}): RgbaImage {
    return this.coloured(coloursOf(this.classes, only));
  }

  /** The parts of a class as polygons. @throws UserError for a class that the model does not have. */
  outlines(of: string | number, options?: OutlineOptions): Outline[] {
    return outlinesOf(this.labels, this.width, this.height, this.find(of).id, options);
  }

  private find(of: string | number): SegmentClass {
    return classIn(this.classes, of);
  }

  /** Each pixel in the colour of its class, a word of RGBA bytes. */
  private coloured(colours: Uint32Array): RgbaImage {
    const rgba = new Uint32Array(this.labels.length);
    for (let i = 0; i < rgba.length; i++) rgba[i] = colours[this.labels[i]];
    return this.rgbaImage(rgba);
  }

  private rgbaImage(rgba: Uint32Array<ArrayBuffer>): RgbaImage {
    const { width, height } = this;
    const data = new Uint8ClampedArray(rgba.buffer);
    return typeof ImageData === 'undefined'
      ? { width, height, data, colorSpace: 'srgb' }
      : new ImageData(data, width, height);
  }
}
