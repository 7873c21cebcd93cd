import { outputKinds } from '../batch/outputs/kinds.js';
import { outputMark } from '../batch/outputs/mark.js';
import { openDataset } from '../data/datasets.js';
import { readPngText } from '../data/png-text.js';
import type { Found } from '../data/sources/find.js';
import { findSources, readList, shardOf } from '../data/sources/find.js';
import { fileSource, type Source } from '../data/sources/source.js';
import { UserError } from '../errors.js';

/** An image to predict, and the output name it gets: its path below the folder it was found in, without ending. */
export type Input = Source;

/** An image that could not be predicted, or an argument that names none. */
export type Failure = Found['failures'][number];

/** Where pictures come from. */
export interface InputFlags {
  readonly data?: string;
  readonly split: string;
  readonly out: string;
  readonly list?: string;
  /** Default true. */
  readonly recursive?: boolean;
}

const resultName = new RegExp(`_(${outputKinds.map(({ ending }) => ending.replace('.', '\\.')).join('|')})$`);

/** The pictures given, or those of a data set's split; what names no picture is a failure. */
export async function findInputs(given: readonly string[], flags: InputFlags): Promise<Found> {
  const { data, split, out, list, recursive } = flags;
  if (data !== undefined) {
    const other = given[0] ?? list;
    if (other !== undefined) throw new UserError(`${other}: give either pictures or --data, not both`, 2);
    const samples = (await openDataset(data, { split })).samples(split, { lenient: true });
    return {
      sources: samples.map(({ image, id }) => fileSource(image, `${id}.png`)),
      failures: [],
      close: async () => undefined,
    };
  }
  const names = list === undefined ? given : [...given, ...(await readList(list))];
  if (names.length === 0) {
    throw new UserError(
      'give pictures or folders to predict, or a data set with --data; archives, patterns and --list work too',
      2,
    );
  }
  return findSources(names, {
    recursive,
    without: out,
    isResult: async (file) =>
      resultName.test(file) && ((await readPngText(file, 'Software'))?.startsWith(outputMark) ?? false),
  });
}

/** `3/16`: the third of sixteen parts. */
export interface Shard {
  readonly index: number;
  readonly count: number;
}

/** The inputs that are this machine's. The list is the same on all of them, so the parts together are the whole. */
export const ownInputs = (inputs: readonly Input[], shard: Shard | undefined): Input[] =>
  shard ? shardOf(inputs, shard) : [...inputs];
