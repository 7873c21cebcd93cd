import type { Stats } from 'node:fs';
import { existsSync, promises as fs, readdirSync, realpathSync, statSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../errors.js';
import { isRemote, shownAddress } from './storage/address.js';
import { storage } from './storage/storage.js';
import { isRemoteFolder, listRemote, remoteFile, remoteNames } from './storage/tree.js';

/**
 * Names are paths, or addresses in a store (`s3://bucket/key`, see `storage/`): every function here takes both. What an
 * address names is known once {@link look} has listed it.
 */

let counter = 0;

/**
 * Writes a file so that a reader sees either the old bytes or all the new ones: a temporary file in the same
 * folder, fsync, rename. Missing folders are made.
 * @throws UserError naming the file where it cannot be written (no permission, no space, a folder in the way).
 */
export async function writeAtomic(file: string, bytes: Uint8Array): Promise<void> {
  if (isRemote(file)) return (await storage()).write(file, bytes);
  await throughTemporary(file, bytes, (temporary) => fs.rename(temporary, file));
}

/**
 * Writes a temporary sibling of a file, down to the disk, and lets `place` put it where it belongs. A failure leaves
 * nothing of it. Missing folders are made. @throws UserError naming the file.
 */
export async function throughTemporary(
  file: string,
  bytes: Uint8Array,
  place: (temporary: string) => Promise<void>,
): Promise<void> {
  const temporary = temporaryName(file);
  try {
    await fs.mkdir(path.dirname(file), { recursive: true });
    const handle = await fs.open(temporary, 'w');
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await place(temporary);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw unwritable(file, error);
  }
}

/** Makes a folder and those above it. @throws UserError naming it where it cannot be made. */
export async function makeFolder(dir: string): Promise<void> {
  try {
    await fs.mkdir(dir, { recursive: true });
  } catch (error) {
    throw new UserError(`${dir}: cannot be made a folder (${reason(error)}); choose another place`, 1, {
      cause: error,
    });
  }
}

/** What a failed write is told as; its `cause` is the system's error. */
export const unwritable = (file: string, error: unknown): UserError =>
  new UserError(`${file}: cannot be written (${reason(error)}); check the folder and free space`, 1, {
    cause: error,
  });

/** The name of a file's temporary sibling: hidden, and unlike any other writer's. */
export function temporaryName(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.${counter++}.tmp`);
}

/** Most bytes that {@link readBytes} takes into memory unless it is told otherwise. */
const mostBytes = 2 ** 31 - 1;

/**
 * Reads a whole file, or what a pipe gives.
 * @param most refuse more bytes than this, before memory is spent on them.
 * @throws UserError naming the file where it is missing, a folder or a device, unreadable, empty or too large.
 */
export async function readBytes(file: string, most = mostBytes): Promise<Buffer> {
  if (isRemote(file)) return (await storage()).read(file, most);
  let bytes: Buffer;
  try {
    const handle = await fs.open(file, 'r');
    try {
      const stat = await handle.stat();
      // /dev/zero and its like never end.
      if (stat.isCharacterDevice() || stat.isBlockDevice()) throw new Error('it is a device, not a file');
      if (stat.isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
      if (stat.size > most) throw tooLarge(stat.size, most);
      bytes = stat.isFile() && stat.size > 0 ? await handle.readFile() : await readStream(handle, most);
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw new UserError(`${file}: cannot be read (${reason(error)})`);
  }
  if (bytes.length === 0)
    throw new UserError(`${file}: the file is empty (0 bytes); write or download it again`);
  return bytes;
}

/** The first bytes of a file, at most so many; `undefined` where there is no such file or it cannot be read. */
export async function readStart(file: string, bytes: number): Promise<Buffer | undefined> {
  if (isRemote(file)) return (await storage()).readStart(file, bytes);
  const handle = await fs.open(file, 'r').catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(bytes), 0, bytes, 0);
    return buffer.subarray(0, bytesRead);
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** Whether anything has that name now. */
export const exists = async (name: string): Promise<boolean> =>
  isRemote(name) ? (await (await storage()).stat(name)) !== undefined : existsSync(name);

/** Size in bytes, and something that is different where the bytes are. @throws where there is no such file. */
export function stampOf(file: string): { readonly bytes: number; readonly stamp: string } {
  if (!isRemote(file)) {
    const { size, mtimeMs } = statSync(file);
    return { bytes: size, stamp: `${size} ${mtimeMs}` };
  }
  const found = remoteFile(file);
  if (!found) throw new UserError(`${shownAddress(file)}: no such file`);
  return found;
}

/** Looks at what an address names, so that it can be asked about; a path can always. @throws UserError where a store refuses. */
export const look = async (name: string): Promise<void> => {
  if (isRemote(name)) await listRemote(name);
};

const tooLarge = (bytes: number, most: number): Error =>
  new Error(`it has ${bytes} bytes or more, at most ${most} are read`);

/** What comes from a source whose size nobody knows: a pipe, or a file of the kernel. */
async function readStream(handle: fs.FileHandle, most: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of handle.createReadStream({ autoClose: false })) {
    parts.push(part as Buffer);
    length += (part as Buffer).length;
    if (length > most) throw tooLarge(length, most);
  }
  return Buffer.concat(parts);
}

/** True where the path is a folder. */
export function isFolder(dir: string): boolean {
  if (isRemote(dir)) return isRemoteFolder(dir);
  return stats(dir)?.isDirectory() ?? false;
}

/** True where the path is a file. */
export function isFile(file: string): boolean {
  if (isRemote(file)) return remoteFile(file) !== undefined;
  return stats(file)?.isFile() ?? false;
}

/** `undefined` for what is not there, and for paths that cannot be: a file as a folder, links in a loop, long names. */
function stats(file: string): Stats | undefined {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/**
 * The visible files below a folder, as sorted paths relative to it, each folder's own files first. Links are followed,
 * but no folder is entered twice: links in a loop end.
 * @param enter which folders to look into, by their path relative to `dir`; default all.
 */
export function* walkFiles(dir: string, enter: (folder: string) => boolean = () => true): Generator<string> {
  const seen = new Set<string>();
  function* walk(below: string): Generator<string> {
    const here = path.join(dir, below);
    const real = isRemote(here) ? here : realpathSync(here);
    if (seen.has(real)) return;
    seen.add(real);
    for (const name of listNames(here, 'files')) yield path.join(below, name);
    for (const name of listNames(here, 'folders')) {
      const folder = path.join(below, name);
      if (enter(folder)) yield* walk(folder);
    }
  }
  if (isFolder(dir)) yield* walk('');
}

/**
 * Sorted names (by code unit, so the same on every machine) of the visible entries of a folder; links are
 * followed. A folder that does not exist has none.
 */
export function listNames(dir: string, kind: 'files' | 'folders'): string[] {
  if (!isFolder(dir)) return [];
  if (isRemote(dir)) {
    return remoteNames(dir, kind)
      .filter((name) => !name.startsWith('.'))
      .sort();
  }
  try {
    return readdirSync(dir, { withFileTypes: true })
      .filter((entry) => !entry.name.startsWith('.'))
      .filter((entry) => {
        if (entry.isSymbolicLink()) {
          const target = path.join(dir, entry.name);
          return kind === 'files' ? isFile(target) : isFolder(target);
        }
        return kind === 'files' ? entry.isFile() : entry.isDirectory();
      })
      .map((entry) => entry.name)
      .sort();
  } catch (error) {
    throw new UserError(`${dir}: cannot be listed (${reason(error)})`);
  }
}

/** The cause of a failure as one short phrase without the path, which the caller names itself. */
export function reason(error: unknown): string {
  if (error instanceof Error) {
    const code = (error as NodeJS.ErrnoException).code;
    const known: Record<string, string> = {
      ENOENT: 'no such file or folder',
      EACCES: 'permission denied',
      EPERM: 'not permitted',
      EISDIR: 'it is a folder',
      ENOTDIR: 'a part of its path is a file',
      ENOSPC: 'no space left on the disk',
      EROFS: 'the disk is read-only',
      EMFILE: 'too many open files',
      ENFILE: 'too many open files',
      ELOOP: 'its links go in a loop',
      ENAMETOOLONG: 'the name is too long',
      EDQUOT: 'the disk quota is used up',
      EFBIG: 'larger than a file may be here',
      EIO: 'the disk or the connection to it failed',
      EEXIST: 'something else has that name',
      EBUSY: 'it is in use',
      ESTALE: 'it is gone from the network disk',
    };
    if (code && known[code]) return known[code];
    return error.message.split('\n')[0].trim() || error.name;
  }
  return String(error);
}
