import path from 'node:path';
import { UserError } from '../../errors.js';
import { isImageName } from '../dataset.js';
import { isFile, isFolder, look, readBytes, walkFiles } from '../files.js';
import { isRemote } from '../storage/address.js';
import { type Archive, fileSource, type Source } from './source.js';

/** What was found, and what of it names no picture. */
export interface Found {
  readonly sources: Source[];
  readonly failures: { readonly image: string; readonly error: string }[];
  /** Closes archives. */
  close(): Promise<void>;
}

/** How {@link findSources} looks. */
export interface FindOptions {
  /** Look into folders below folders; default true. */
  readonly recursive?: boolean;
  /** A folder that is not looked into: that of the results. */
  readonly without?: string;
  /** Files that are no inputs, though they are pictures: earlier results. */
  readonly isResult?: (file: string) => Promise<boolean>;
}

/** Largest list of names. */
const mostListBytes = 2 ** 30;

/**
 * The pictures that arguments name: files, folders, zip and tar archives, and patterns such as `shots/*.jpg`. In the
 * order of the arguments, within each by name, so that every machine with the same files finds the same list.
 */
export async function findSources(given: Iterable<string>, options: FindOptions = {}): Promise<Found> {
  const sources: Source[] = [];
  const failures: { image: string; error: string }[] = [];
  const archives: Archive[] = [];
  const add = async (each: string): Promise<string | undefined> => {
    await look(each);
    if (isFolder(each)) {
      const before = sources.length;
      for (const file of await picturesBelow(each, options))
        sources.push(fileSource(path.join(each, file), file));
      return sources.length > before ? undefined : 'holds no picture (PNG, JPEG, WebP, TIFF, BMP, GIF, AVIF)';
    }
    if (!isFile(each)) return isPattern(each) ? addPattern(each) : 'no such picture or folder';
    const open = archiveOf(each);
    if (!open) {
      sources.push(fileSource(each));
      return undefined;
    }
    if (isRemote(each)) return 'archives are read from a disk; download it, or store its pictures as files';
    const archive = await open(each);
    archives.push(archive);
    sources.push(...archive.sources);
    return archive.sources.length > 0 ? undefined : 'the archive holds no picture';
  };
  const addPattern = async (pattern: string): Promise<string | undefined> => {
    const { glob } = await import('tinyglobby');
    const files = await glob([pattern.replaceAll('\\', '/')], { expandDirectories: false, absolute: false });
    const pictures = files.filter((file) => isImageName(file) || archiveOf(file)).sort();
    for (const file of pictures) {
      const error = await add(path.normalize(file));
      if (error) failures.push({ image: file, error });
    }
    return pictures.length > 0 ? undefined : 'no picture has such a name';
  };
  for (const each of given) {
    try {
      const error = await add(each);
      if (error) failures.push({ image: each, error });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push({ image: each, error: error.message.replace(`${each}: `, '') });
    }
  }
  return {
    sources,
    failures,
    close: async () => {
      for (const archive of archives) await archive.close();
    },
  };
}

/** The lines of a list of names; `-` is standard input. */
export async function readList(file: string): Promise<string[]> {
  let text: string;
  if (file === '-') {
    const parts: Buffer[] = [];
    let length = 0;
    for await (const part of process.stdin) {
      parts.push(part as Buffer);
      length += (part as Buffer).length;
      if (length > mostListBytes) throw new UserError('-: the list is longer than a gigabyte');
    }
    text = Buffer.concat(parts).toString('utf8');
  } else text = (await readBytes(file, mostListBytes)).toString('utf8');
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}

/** The part of a list that is one machine's: every `count`-th, from the `index`-th (from 1) on. */
export function shardOf<T>(list: readonly T[], { index, count }: { index: number; count: number }): T[] {
  return list.filter((_, i) => i % count === index - 1);
}

const isPattern = (name: string): boolean => /[*?{[]/.test(name);

/** What opens an archive, loaded with the first one; undefined for other files. */
function archiveOf(file: string): ((file: string) => Promise<Archive>) | undefined {
  if (/\.zip$/i.test(file)) return async (zip) => (await import('./zip.js')).openZip(zip);
  if (!/\.(tar|tar\.gz|tgz)$/i.test(file)) return undefined;
  return async (tar) => (await import('./tar.js')).openTar(tar);
}

async function picturesBelow(folder: string, options: FindOptions): Promise<string[]> {
  const { recursive = true, without, isResult } = options;
  const left = without === undefined ? undefined : path.resolve(without);
  const found: string[] = [];
  for (const file of walkFiles(folder, (below) => recursive && path.resolve(folder, below) !== left)) {
    if (!isImageName(file)) continue;
    if (!(await isResult?.(path.join(folder, file)))) found.push(file);
  }
  return found;
}
