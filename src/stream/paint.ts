import { readFileSync } from 'node:fs';
import type { Rgb } from '../data/classes.js';
import type { LabelImage, RgbImage } from '../data/image.js';

/** Pixels as they go to an encoder: RGB, or planes of 4:2:0 (BT.709 in narrow range) of even sizes. */
export interface PaintedFrame {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface PaintOptions {
  /** The picture as it is on the left of its overlay. */
  readonly beside?: boolean;
  /** Drawn below each picture, as wide as it. */
  readonly band?: RgbImage;
  /** Planes, half as many bytes as RGB and what video encoders take; an odd size gets a black row or column. */
  readonly planes?: boolean;
}

/** `kernels/paint.ts`: addresses in, all in bytes. */
interface Kernels {
  overlay(
    image: number,
    labels: number,
    to: number,
    width: number,
    colours: number,
    classes: number,
    strength: number,
  ): void;
  planes(
    top: number,
    bottom: number,
    width: number,
    yTop: number,
    yBottom: number,
    u: number,
    v: number,
  ): void;
}

let compiled: WebAssembly.Module | undefined;

/**
 * Paints frames again and again into the same memory: what it gives is good until the next but one, as one may still be on
 * its way out.
 */
export class Painter {
  private canvas: Canvas | undefined;

  /** @param alpha strength of the colours, 0 to 1. */
  constructor(
    private readonly colours: readonly Rgb[],
    private readonly alpha: number,
    private readonly options: PaintOptions = {},
  ) {}

  /** The overlay of a frame, with what the options add; the same pixels as `overlay` makes, or planes of them. */
  paint(image: RgbImage, labels: LabelImage): PaintedFrame {
    if (!this.canvas?.fits(image)) {
      this.canvas = new Canvas(image, this.colours, Math.round(256 * this.alpha), this.options);
    }
    return this.canvas.paint(image, labels);
  }
}

/** Memory for frames of one size: colours, labels, two results. */
class Canvas {
  private readonly kernels: Kernels;
  private readonly bytes: Uint8Array;
  private readonly frameHeight: number;
  private readonly frameWidth: number;
  private readonly height: number;
  private readonly width: number;
  private readonly labels = 768;
  /** Where the frames are painted, in turn, and where planes of them go. */
  private readonly canvases: readonly number[];
  private readonly results: readonly number[];
  private turn = 0;

  constructor(
    { height, width }: RgbImage,
    private readonly colours: readonly Rgb[],
    private readonly strength: number,
    private readonly options: PaintOptions,
  ) {
    const { beside, band, planes } = options;
    this.frameHeight = height;
    this.frameWidth = width;
    const even = (side: number) => (planes ? side + (side % 2) : side);
    this.height = even(height + (band?.height ?? 0));
    this.width = even(width * (beside ? 2 : 1));
    const pixels = this.height * this.width;
    const first = this.labels + height * width;
    const second = first + 3 * pixels;
    this.canvases = planes ? [first, first] : [first, second];
    this.results = planes ? [second, second + 1.5 * pixels] : this.canvases;
    const memory = new WebAssembly.Memory({ initial: Math.ceil((second + 3 * pixels) / 65_536) });
    this.bytes = new Uint8Array(memory.buffer);
    compiled ??= new WebAssembly.Module(readFileSync(new URL('../../wasm/paint.wasm', import.meta.url)));
    this.kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as unknown as Kernels;
    // 256 bytes of red, then green, then blue.
    for (const [label, colour] of colours.entries()) {
      for (const [c, value] of colour.entries()) this.bytes[256 * c + label] = value;
    }
    for (const canvas of new Set(this.canvases)) {
      for (let y = 0; band && y < band.height; y++) {
        const row = band.data.subarray(3 * y * band.width, 3 * (y + 1) * band.width);
        this.bytes.set(row, canvas + 3 * (height + y) * this.width);
      }
    }
  }

  fits({ height, width }: RgbImage): boolean {
    return this.frameHeight === height && this.frameWidth === width;
  }

  paint(image: RgbImage, labels: LabelImage): PaintedFrame {
    const { bytes, kernels, colours, strength, frameHeight, frameWidth, width } = this;
    this.turn = 1 - this.turn;
    const canvas = this.canvases[this.turn];
    const beside = this.options.beside ? 3 * frameWidth : 0;
    bytes.set(labels.data, this.labels);
    const row = 3 * frameWidth;
    if (row === 3 * width) bytes.set(image.data, canvas);
    for (let y = 0; y < frameHeight; y++) {
      const at = canvas + 3 * y * width;
      if (row !== 3 * width) bytes.set(image.data.subarray(y * row, (y + 1) * row), at);
      const rowLabels = this.labels + y * frameWidth;
      kernels.overlay(at, rowLabels, at + beside, frameWidth, 0, colours.length, strength);
    }
    return { width, height: this.height, data: this.options.planes ? this.planes() : this.result(3) };
  }

  private planes(): Uint8Array {
    const { height, width, kernels } = this;
    const canvas = this.canvases[this.turn];
    const y0 = this.results[this.turn];
    const u0 = y0 + height * width;
    const v0 = u0 + (height * width) / 4;
    for (let y = 0; y < height; y += 2) {
      const [top, bottom] = [canvas + 3 * y * width, canvas + 3 * (y + 1) * width];
      const chroma = (y / 2) * (width / 2);
      kernels.planes(top, bottom, width, y0 + y * width, y0 + (y + 1) * width, u0 + chroma, v0 + chroma);
    }
    return this.result(1.5);
  }

  private result(bytesPerPixel: number): Uint8Array {
    const start = this.results[this.turn];
    return this.bytes.subarray(start, start + bytesPerPixel * this.height * this.width);
  }
}

/** Share of pixels of each class; of all pixels. */
export function classShares({ data }: LabelImage, classes: number): number[] {
  const counts = new Uint32Array(256);
  for (const label of data) counts[label]++;
  return Array.from(counts.subarray(0, classes), (count) => count / data.length);
}
