import type { Rgb } from '../../data/classes.js';
import type { LabelImage, RgbImage } from '../../data/image.js';
import { colourise, encodeLabelPng, encodeRgbPng, overlay } from '../../data/image.js';
import type { Source } from '../../data/sources/source.js';
import type { ModelInfo } from '../../model/format.js';
import { withLegend } from '../../report/legend.js';
import { labelme } from './labelme.js';
import { markedPng } from './mark.js';

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

/** A kind of file that a prediction leaves. Adding one is a line in {@link outputKinds}. */
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

const colours = ({ info }: Shown) => info.classes.colours as Rgb[];

/** All kinds; the large ones last. */
export const outputKinds: readonly OutputKind[] = [
  {
    name: 'labels',
    ending: 'labels.png',
    usual: true,
    help: 'one class number a pixel',
    encode: async ({ labels }, _, mark) => markedPng(await encodeLabelPng(labels), mark),
  },
  {
    name: 'colour',
    ending: 'colour.png',
    usual: true,
    help: 'class colours',
    encode: async (shown, _, mark) =>
      markedPng(await encodeRgbPng(colourise(shown.labels, colours(shown))), mark),
  },
  {
    name: 'confidence',
    ending: 'confidence.png',
    needsConfidence: true,
    help: "probability of each pixel's class, 0 to 255",
    encode: async ({ confidence }, _, mark) => markedPng(await encodeLabelPng(confidence!), mark),
  },
  labelme,
  {
    name: 'overlay',
    ending: 'overlay.png',
    usual: true,
    help: 'class colours over the picture',
    encode: async (shown, _, mark) => {
      const { image, labels, alpha, legend, info } = shown;
      const blended = overlay(image, labels, colours(shown), alpha);
      return markedPng(
        await encodeRgbPng(legend ? await withLegend(blended, labels, info.classes) : blended),
        mark,
      );
    },
  },
];
