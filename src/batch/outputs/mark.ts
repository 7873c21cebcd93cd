import { createHash } from 'node:crypto';
import { readStart } from '../../data/files.js';
import { readPngText, withPngText } from '../../data/png-text.js';
import type { Source } from '../../data/sources/source.js';

/** What marks a file as written by `vnet predict`: PNGs as their `Software` text, JSON as its first entry. */
export const outputMark = 'vnet-segmentation predict';

/** The mark of a picture's results: they are others where the picture, the model or the options are. */
export function markOf(input: Source, recipe: string): string {
  const hash = createHash('sha256').update(JSON.stringify([recipe, input.stamp()]));
  return `${outputMark} ${hash.digest('hex').slice(0, 16)}`;
}

/** Puts a mark into a PNG. */
export const markedPng = (png: Uint8Array, mark: string): Uint8Array => withPngText(png, 'Software', mark);

/** Puts a mark into the text of a JSON object, as its first entry. */
export const markedJson = (value: object, mark: string): Uint8Array =>
  Buffer.from(`${JSON.stringify({ software: mark, ...value })}\n`);

const jsonMark = /^\{"software":"([^"]*)"/;

/** The mark of a file; `undefined` where it is missing or another program's. */
export async function readMark(file: string): Promise<string | undefined> {
  if (!file.endsWith('.json')) return readPngText(file, 'Software');
  return jsonMark.exec((await readStart(file, 512))?.toString('utf8') ?? '')?.[1];
}
