import { availableParallelism } from 'node:os';
import { InvalidArgumentError, Option } from 'commander';
import * as v from 'valibot';
import type { SizePolicy } from '../data/augment/augmentation.js';
import { networkNames } from '../nets/index.js';

/** Height and width in pixels. */
export interface PixelSize {
  readonly height: number;
  readonly width: number;
}

/** A parser for `Option.argParser` that checks with a schema and complains in one line. */
function checked<T>(schema: v.GenericSchema<string, T>): (text: string) => T {
  return (text) => {
    const parsed = v.safeParse(schema, text);
    if (!parsed.success) throw new InvalidArgumentError(`${parsed.issues[0].message}.`);
    return parsed.output;
  };
}

const numeric = (message: string) =>
  v.pipe(
    v.string(),
    v.trim(),
    v.regex(/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i, message),
    v.transform(Number),
  );

/** A whole number in [`low`, `high`]. */
export function whole(low: number, high = Number.MAX_SAFE_INTEGER): (text: string) => number {
  const range =
    high === Number.MAX_SAFE_INTEGER
      ? `a whole number of at least ${low}`
      : `a whole number from ${low} to ${high}`;
  const message = `Expected ${range}`;
  return checked(
    v.pipe(
      numeric(message),
      v.check((n) => Number.isSafeInteger(n) && n >= low && n <= high, message),
    ),
  );
}

/** A number in [`low`, `high`], or above `low` if `exclusive`. */
export function real(
  low: number,
  high = Number.POSITIVE_INFINITY,
  exclusive = false,
): (text: string) => number {
  const from = exclusive ? `a number greater than ${low}` : `a number of at least ${low}`;
  const message = `Expected ${from}${Number.isFinite(high) ? ` and at most ${high}` : ''}`;
  return checked(
    v.pipe(
      numeric(message),
      v.check((n) => (exclusive ? n > low : n >= low) && n <= high, message),
    ),
  );
}

const sizeMessage = 'Expected HEIGHTxWIDTH with 32 to 16384 pixels each, such as 512x1024';

/** `512x1024` (also with `×`): height by width, each 32 to 16384. */
export const pixelSize: (text: string) => PixelSize = checked(
  v.pipe(
    v.string(),
    v.regex(/^\d{1,9}[x×]\d{1,9}$/i, sizeMessage),
    v.transform((text) => {
      const [height, width] = text.split(/[x×]/i).map(Number);
      return { height, width };
    }),
    v.check(({ height, width }) => [height, width].every((n) => n >= 32 && n <= 16384), sizeMessage),
  ),
);

/** `full`, `HxW crop` or `HxW resize`, word by word: for an option that takes several. */
export function sizePolicy(word: string, before: unknown): SizePolicy {
  if (before === undefined) {
    if (word === 'full') return 'full';
    const { height, width } = pixelSize(word);
    return { crop: [height, width] };
  }
  if (typeof before === 'object' && before !== null && 'crop' in before) {
    const sides = (before as { crop: [number, number] }).crop;
    if (word === 'crop') return { crop: sides };
    if (word === 'resize') return { resize: sides };
  }
  throw new InvalidArgumentError("Expected 'full', 'HxW crop' or 'HxW resize'.");
}

/** `1024×2048`. */
export const formatSize = ({ height, width }: PixelSize): string => `${height}×${width}`;

/** `--size`, by default that of Cityscapes. */
export const sizeOption = (size: PixelSize = { height: 1024, width: 2048 }): Option =>
  new Option('--size <HxW>', 'pixels of an image')
    .argParser(pixelSize)
    .default(size, `${size.height}x${size.width}`);

/** `--net`; commands that load a model instead take it as what the model must be. */
export const netOption = (description = 'which network'): Option =>
  new Option('--net <name>', description).choices(networkNames);

export const jsonOption = (): Option => new Option('--json', 'print the result as JSON on stdout');

export const threadsOption = (): Option =>
  new Option('--threads <n>', 'worker threads; results do not depend on it')
    .argParser(whole(1, 256))
    .default(availableParallelism(), 'all cores');
