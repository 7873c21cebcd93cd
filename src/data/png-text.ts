import { crc32 } from './crc32.js';
import { readStart } from './files.js';

/** Signature and header, which stand first in every PNG: 8 bytes and a chunk of 13. */
const headBytes = 33;
/** Longest text that is read back. */
const mostText = 512;

/** The same PNG with a text chunk (`tEXt`, Latin-1) right after its header, where {@link readPngText} finds it. */
export function withPngText(png: Uint8Array, keyword: string, text: string): Uint8Array {
  const content = Buffer.from(`tEXt${keyword}\0${text}`, 'latin1');
  const chunk = Buffer.alloc(content.length + 8);
  chunk.writeUInt32BE(content.length - 4, 0);
  content.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(content), content.length + 4);
  return Buffer.concat([png.subarray(0, headBytes), chunk, png.subarray(headBytes)]);
}

/** The text that {@link withPngText} wrote; `undefined` for every other file. Reads half a kilobyte. */
export async function readPngText(file: string, keyword: string): Promise<string | undefined> {
  const start = await readStart(file, headBytes + mostText);
  const bytes = start?.subarray(headBytes);
  if (!bytes || bytes.length < 12 || bytes.toString('latin1', 4, 8) !== 'tEXt') return undefined;
  const length = bytes.readUInt32BE(0);
  const [found, text] = bytes.toString('latin1', 8, 8 + length).split('\0');
  return found === keyword && 12 + length <= bytes.length ? text : undefined;
}
