import { promises as fs } from 'node:fs';
import path from 'node:path';
import { throughTemporary } from '../data/files.js';

/**
 * Writes a file so that after a crash or a power cut it holds either the old bytes or all the new ones: temporary
 * file in the same folder, fsync, rename, fsync of the folder.
 * @param previous where an existing file moves to, so that two generations are kept.
 * @throws UserError naming the file; the existing one is untouched then.
 */
export async function writeDurable(file: string, bytes: Uint8Array, previous?: string): Promise<void> {
  await throughTemporary(file, bytes, async (temporary) => {
    if (previous) {
      await fs.rename(file, previous).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
    }
    await fs.rename(temporary, file);
    await syncFolder(path.dirname(file));
  });
}

/** Removes what killed writers left in a folder, or nothing where it does not exist. Nobody writes there now. */
export async function removeTemporaries(folder: string): Promise<void> {
  const names = await fs.readdir(folder).catch(() => []);
  const left = names.filter((name) => /^\..+\.\d+\.\d+\.tmp$/.test(name));
  await Promise.all(left.map((name) => fs.rm(path.join(folder, name), { force: true })));
}

async function syncFolder(folder: string): Promise<void> {
  // Windows cannot open folders; renames are journalled there.
  if (process.platform === 'win32') return;
  const handle = await fs.open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
