import type { Rgb } from '../data/classes.js';
import type { LabelImage, RgbImage } from '../data/image.js';
import { colourise, encodeJpeg, encodeLabelPng, encodeRgbPng, overlay } from '../data/image.js';
import { encodeRunLengths, runLengths } from '../data/rle.js';
import { Problem } from './problem.js';
import type { ServedModel } from './repository.js';
import type { PixelSize, Segmented } from './segmenting.js';

/** What can be asked for, by `output=` or by what the media type in `Accept` stands for. */
export const outputs = ['labels', 'colour', 'overlay', 'json'] as const;
export type Output = (typeof outputs)[number];

const accepted: readonly (readonly [type: string, output: Output])[] = [
  ['image/png', 'labels'],
  ['image/jpeg', 'overlay'],
  ['application/json', 'json'],
];

/**
 * The output that an `Accept` header asks for: of the types known here the one with the highest quality, the first among
 * equals; label PNGs where anything will do.
 * @throws Problem 406 where none of them will do.
 */
export function outputOf(accept: string | undefined): Output {
  if (accept === undefined || accept.trim() === '') return 'labels';
  let best: Output | undefined;
  let highest = 0;
  for (const range of accept.slice(0, 1000).split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    const q = Number(parameters.find((part) => part.startsWith('q='))?.slice(2) ?? 1);
    const found = accepted.find(([known]) => matches(type, known))?.[1];
    if (found && q > highest) [best, highest] = [found, q];
  }
  if (best) return best;
  throw new Problem(
    406,
    'Accept: expected image/png (labels), image/jpeg (overlay) or application/json (areas and run lengths)',
  );
}

const matches = (range: string, type: string): boolean =>
  range === '*/*' || range === type || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)));

/** One picture's result in JSON. */
export interface Description {
  readonly model: { readonly name: string; readonly version: string };
  readonly height: number;
  readonly width: number;
  /** What the network saw. */
  readonly seen: PixelSize;
  readonly classes: readonly {
    readonly id: number;
    readonly name: string;
    readonly colour: readonly number[];
    readonly pixels: number;
    readonly share: number;
    readonly rle: { readonly size: readonly [height: number, width: number]; readonly counts: string };
  }[];
  readonly milliseconds: { readonly queue: number; readonly infer: number };
}

const rounded = (value: number, digits: number): number => Number(value.toFixed(digits));

/** Areas and run lengths of the classes that occur. */
export function describe(
  model: ServedModel,
  { labels, queueMs, inferMs }: Segmented,
  seen: PixelSize,
): Description {
  const { height, width } = labels;
  return {
    model: { name: model.name, version: model.version },
    height,
    width,
    seen,
    classes: classesOf(model, labels),
    milliseconds: { queue: rounded(queueMs, 1), infer: rounded(inferMs, 1) },
  };
}

/** The classes that occur, with their pixels. */
export function classesOf({ info }: ServedModel, labels: LabelImage): Description['classes'] {
  const { height, width, data } = labels;
  const { names, colours } = info.classes;
  return [...runLengths(data, height, width)]
    .filter(([id]) => id < names.length)
    .sort(([a], [b]) => a - b)
    .map(([id, runs]) => {
      const pixels = runs.reduce((sum, run, i) => (i % 2 === 1 ? sum + run : sum), 0);
      return {
        id,
        name: names[id],
        colour: colours[id],
        pixels,
        share: rounded(pixels / (height * width), 6),
        rle: { size: [height, width] as const, counts: encodeRunLengths(runs) },
      };
    });
}

/** A picture as bytes with its media type. */
export async function picture(
  output: Exclude<Output, 'json'>,
  model: ServedModel,
  image: RgbImage,
  labels: LabelImage,
  opacity: number,
): Promise<{ type: string; bytes: Uint8Array<ArrayBuffer> }> {
  const colours = model.info.classes.colours as Rgb[];
  if (output === 'overlay') {
    const bytes = await encodeJpeg(overlay(image, labels, colours, opacity), 90);
    return { type: 'image/jpeg', bytes: own(bytes) };
  }
  const bytes =
    output === 'labels' ? await encodeLabelPng(labels) : await encodeRgbPng(colourise(labels, colours), 6);
  return { type: 'image/png', bytes: own(bytes) };
}

/** Encoders give views of pools; a response wants an array of its own. */
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes as Uint8Array<ArrayBuffer>;
