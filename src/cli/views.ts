import { InvalidArgumentError, Option } from 'commander';
import { type FittingOptions, fitted } from '../eval/fitting.js';
import type { PredictOptions } from '../eval/predict.js';
import type { ModelInfo } from '../model/format.js';
import type { PixelSize } from './options.js';
import { pixelSize, real } from './options.js';

/** `--resize own`: images at their own size, whatever the model was trained on. */
export const ownSize = 'own';

/** Flags that decide how an image is shown to the network. */
export interface ViewFlags {
  readonly resize?: PixelSize | typeof ownSize;
  readonly window?: PixelSize;
  readonly scales?: readonly number[];
  readonly flip?: boolean;
}

const zoom = real(0.1, 4);

/** Numbers with commas between. */
export function scaleList(text: string): number[] {
  const parts = text.split(',');
  if (parts.some((part) => part.trim() === '')) {
    throw new InvalidArgumentError(
      'Expected numbers from 0.1 to 4 with commas between, such as 0.75,1,1.25.',
    );
  }
  return parts.map(zoom);
}

/** @param word that `--resize` takes besides a size. */
export const viewOptions = (word?: typeof ownSize): Option[] => [
  new Option(
    word ? '--resize <HxW|own>' : '--resize <HxW>',
    `resize images to this before, and labels back after${word ? ' (default: the size that suits the model)' : ''}`,
  ).argParser((text) => (word !== undefined && text === word ? word : pixelSize(text))),
  new Option('--window <HxW>', 'cut larger images into overlapping windows of this size').argParser(
    pixelSize,
  ),
  new Option('--scales <list>', 'mean over these zooms, such as 0.75,1,1.25').argParser(scaleList),
  new Option('--flip', 'mean over the image and its mirror image'),
];

/** What people are told where a picture is not shown at its own size. */
export function fittingNote(
  { height, width }: { readonly height: number; readonly width: number },
  shown: readonly [number, number],
  { trained }: Pick<ModelInfo, 'trained'>,
): string {
  return `${height}×${width}, shown to the model at ${shown.join('×')} (trained on ${trained.image!.join('×')}, sides in eights); labels come at their own size (--resize own: never)`;
}

/** The flags as options of the library. */
export function predictOptions({ resize, window, scales, flip }: ViewFlags): PredictOptions {
  const pair = (size: PixelSize | undefined) => size && ([size.height, size.width] as const);
  return { resize: resize === ownSize ? undefined : pair(resize), window: pair(window), scales, flip };
}

/** The same for one image: without `--resize` or `--window`, at the size that suits the model ({@link fitted}). */
export function fittedOptions(
  flags: ViewFlags,
  info: Pick<ModelInfo, 'trained'>,
  image: { readonly height: number; readonly width: number },
): PredictOptions {
  return fitted(viewPolicy(flags), info, image);
}

/** The flags for pictures of all sizes, each at the size that suits the model unless they say otherwise. */
export function viewPolicy(flags: ViewFlags): FittingOptions {
  const { resize, ...options } = predictOptions(flags);
  return { ...options, resize: flags.resize === ownSize ? ownSize : resize };
}
