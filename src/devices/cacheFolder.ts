import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { readBytes, writeAtomic } from '../data/files.js';
import type { Files } from '../data/storage/named.js';

/** Bytes of a file at most. */
const most = 64 << 20;

/** Where a user's programs keep what they can make again: `XDG_CACHE_HOME`, or what the platform has for it. */
function cacheHome(): string {
  const { XDG_CACHE_HOME, LOCALAPPDATA } = process.env;
  // The specification wants relative paths ignored.
  if (XDG_CACHE_HOME && path.isAbsolute(XDG_CACHE_HOME)) return XDG_CACHE_HOME;
  if (process.platform === 'darwin') return path.join(homedir(), 'Library', 'Caches');
  if (process.platform === 'win32') return LOCALAPPDATA ?? path.join(homedir(), 'AppData', 'Local');
  return path.join(homedir(), '.cache');
}

/** A folder of ours below {@link cacheHome}; made when something is written. */
export function cacheFolder(name: string): Files {
  const place = path.join(cacheHome(), 'vnet-segmentation', name);
  const at = (file: string) => path.join(place, file);
  return {
    place,
    read: async (file) => (existsSync(at(file)) ? readBytes(at(file), most) : undefined),
    write: (file, bytes) => writeAtomic(at(file), bytes),
    remove: (file) => rm(at(file), { force: true }),
  };
}
