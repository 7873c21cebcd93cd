import { InvalidArgumentError, Option } from 'commander';
import type { PredictOptions } from '../eval/predict.js';
import type { PixelSize } from './options.js';
import { pixelSize, real } from './options.js';

/** Flags that decide how an image is shown to the network. */
export interface ViewFlags {
  readonly resize?: PixelSize;
  readonly window?: PixelSize;
  readonly scales?: readonly number[];
  readonly flip?: boolean;
}

const zoom = real(0.1, 4);

function scaleList(text: string): number[] {
  const parts = text.split(',');
  if (parts.some((part) => part.trim() === '')) {
    throw new InvalidArgumentError(
      'Expected numbers from 0.1 to 4 with commas between, such as 0.75,1,1.25.',
    );
  }
  return parts.map(zoom);
}

export const viewOptions = (): Option[] => [
  new Option('--resize <HxW>', 'resize images to this before, and labels back after').argParser(pixelSize),
  new Option('--window <HxW>', 'cut larger images into overlapping windows of this size').argParser(
    pixelSize,
  ),
  new Option('--scales <list>', 'mean over these zooms, such as 0.75,1,1.25').argParser(scaleList),
  new Option('--flip', 'mean over the image and its mirror image'),
];

/** The flags as options of the library. */
export function predictOptions({ resize, window, scales, flip }: ViewFlags): PredictOptions {
  const pair = (size: PixelSize | undefined) => size && ([size.height, size.width] as const);
  return { resize: pair(resize), window: pair(window), scales, flip };
}
