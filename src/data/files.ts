import { promises as fs, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { UserError } from '../errors.js';

let counter = 0;

/**
 * Writes a file so that a reader sees either the old bytes or all the new ones: a temporary file in the same
 * folder, fsync, rename. Missing folders are made.
 * @throws UserError naming the file where it cannot be written (no permission, no space, a folder in the way).
 */
export async function writeAtomic(file: string, bytes: Uint8Array): Promise<void> {
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
    await fs.rename(temporary, file);
  } catch (error) {
    await fs.rm(temporary, { force: true }).catch(() => undefined);
    throw new UserError(`${file}: cannot be written (${reason(error)}); check the folder and free space`);
  }
}

/** The name of a file's temporary sibling: hidden, and unlike any other writer's. */
export function temporaryName(file: string): string {
  return path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.${counter++}.tmp`);
}

/**
 * Reads a whole file.
 * @throws UserError naming the file where it is missing, a folder, unreadable or empty.
 */
export async function readBytes(file: string): Promise<Buffer> {
  let bytes: Buffer;
  try {
    bytes = await fs.readFile(file);
  } catch (error) {
    throw new UserError(`${file}: cannot be read (${reason(error)})`);
  }
  if (bytes.length === 0)
    throw new UserError(`${file}: the file is empty (0 bytes); write or download it again`);
  return bytes;
}

/** True where the path is a folder. */
export function isFolder(dir: string): boolean {
  return statSync(dir, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** True where the path is a file. */
export function isFile(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
}

/**
 * Sorted names (by code unit, so the same on every machine) of the visible entries of a folder; links are
 * followed. A folder that does not exist has none.
 */
export function listNames(dir: string, kind: 'files' | 'folders'): string[] {
  if (!isFolder(dir)) return [];
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
    };
    if (code && known[code]) return known[code];
    return error.message.split('\n')[0].trim() || error.name;
  }
  return String(error);
}
