import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { reason } from '../data/files.js';
import type { RgbImage } from '../data/image.js';
import { decodeImage, readImage } from '../data/image.js';
import { UserError } from '../errors.js';
import { shippedModel } from '../model/load.js';

export { decodeModel } from '../model/format.js';

/**
 * Decodes a picture in Node: a path, a `file:` or web address, or the bytes of a picture file.
 * @returns undefined for what is no picture here.
 * @throws UserError naming it: missing, damaged, or no picture.
 */
export async function readPicture(source: unknown): Promise<RgbImage | undefined> {
  if (typeof source === 'string' || source instanceof URL) {
    const file = fileOf(source);
    return file === undefined ? decodeImage(await download(source), String(source)) : readImage(file);
  }
  if (source instanceof Uint8Array) return decodeImage(source, 'the picture');
  if (source instanceof ArrayBuffer) return decodeImage(new Uint8Array(source), 'the picture');
  if (source instanceof Blob) return decodeImage(new Uint8Array(await source.arrayBuffer()), 'the picture');
  return undefined;
}

/** Frames are a browser's. */
export function frameSize(_: unknown): [width: number, height: number] {
  throw new UserError('draw: there are no canvases here; use segment() and overlay()');
}

/** Node finds the package's files itself. */
export function useAssets(_: {
  readonly base?: string | URL;
  readonly wasm?: Uint8Array | ArrayBuffer;
}): void {}

/** The bytes of a model file. */
export async function readModelBytes(source: string | URL = shippedModel): Promise<Uint8Array> {
  const file = fileOf(source);
  if (file === undefined) return download(source);
  try {
    return await readFile(file);
  } catch (error) {
    throw new UserError(`${file}: cannot be read (${reason(error)})`);
  }
}

/** The path of what lies in the file system. */
function fileOf(source: string | URL): string | undefined {
  if (typeof source === 'string' && !/^(https?|file|data|blob):/.test(source)) return source;
  const url = new URL(source);
  return url.protocol === 'file:' ? fileURLToPath(url) : undefined;
}

async function download(source: string | URL): Promise<Uint8Array> {
  const response = await fetch(source).catch((error: Error) => {
    throw new UserError(`${source}: cannot be fetched (${(error.cause as Error)?.message ?? error.message})`);
  });
  if (!response.ok)
    throw new UserError(`${source}: the server answered ${response.status} ${response.statusText}`);
  return new Uint8Array(await response.arrayBuffer());
}
