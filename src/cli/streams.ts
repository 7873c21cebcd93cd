import { existsSync, statSync } from 'node:fs';
import { InvalidArgumentError, Option } from 'commander';
import { isFile } from '../data/files.js';
import { UserError } from '../errors.js';
import { isStreamAddress, isVideoName } from '../stream/source.js';
import { pixelSize, real, whole } from './options.js';
import type { StreamFlags } from './streamFlags.js';

/** `90`, `1:30` or `0:01:30.5` as seconds. */
function timeOfDay(text: string): number {
  const parts = /^(?:(\d+):)?(?:(\d+):)?(\d+(?:\.\d+)?)$/.exec(text)?.slice(1);
  if (!parts) throw new InvalidArgumentError('Expected seconds or H:MM:SS, such as 90 or 0:01:30.');
  return parts.filter((part) => part !== undefined).reduce((sum, part) => 60 * sum + Number(part), 0);
}

/** Flags of `vnet predict` that only streams have. */
export const streamOptions = (): Option[] => [
  new Option('--camera <camera>', 'a camera by its number or device'),
  new Option('--labels <place>', 'labels without loss: .mkv (one value a pixel), or a folder of PNGs'),
  new Option('--side-by-side', 'the picture beside its overlay'),
  new Option(
    '--stats <file>',
    'a line of JSON a frame: share of each class, times, drops (-: standard output)',
  ),
  new Option('--every <n>', 'compute every n-th frame; those between keep its labels')
    .argParser(whole(1, 10_000))
    .default(1),
  new Option('--fps <n>', 'take this many frames a second').argParser(real(0, 1000, true)),
  new Option('--from <time>', 'begin there: seconds, or H:MM:SS').argParser(timeOfDay),
  new Option('--to <time>', 'end there').argParser(timeOfDay),
  new Option(
    '--smooth <share>',
    'average logits over time: share of the past, such as 0.7; tells the flicker',
  )
    .argParser(real(0, 0.99))
    .default(0),
  new Option('--resume', 'write in parts, and go on where the same command was stopped'),
  new Option('--raw <HxW>', 'with -: raw RGB frames of this size in, and out').argParser(pixelSize),
  new Option('--ffmpeg <path>', 'the ffmpeg program (default: the one in PATH)'),
];

/** The stream among the arguments, if there is one. @throws UserError where it is not alone. */
export function streamGiven(given: readonly string[], flags: StreamFlags): string | undefined {
  const stream = given.find(
    (text) => text === '-' || isStreamAddress(text) || (isVideoName(text) && !isFolderLike(text)),
  );
  if (flags.camera !== undefined) {
    if (given.length > 0) throw new UserError(`${given[0]}: give either it or --camera, not both`, 2);
    return '';
  }
  if (stream !== undefined && given.length > 1) {
    throw new UserError(`${stream}: a video is predicted alone; call vnet predict once for each`, 2);
  }
  return stream;
}

const isFolderLike = (text: string): boolean =>
  existsSync(text) && !isFile(text) && !statSync(text).isCharacterDevice();
