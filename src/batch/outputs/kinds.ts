import type { Rgb } from '../../data/classes.js';
import { colourise, encodeLabelPng, encodeRgbPng, overlay } from '../../data/image.js';
import { withLegend } from '../../report/legend.js';
import type { OutputKind, Shown } from './kind.js';
import { labelme } from './labelme.js';
import { markedPng } from './mark.js';

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
