import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isRemote, parseAddress } from '../data/storage/address.js';
import { UserError } from '../errors.js';

/** The folders and addresses that jobs may name things in: links do not lead out of them. */
export class Roots {
  private constructor(private readonly roots: readonly string[]) {}

  /** @throws UserError for a folder that is not there. */
  static async open(given: readonly string[]): Promise<Roots> {
    return new Roots(
      await Promise.all(
        given.map(async (root) => {
          if (isRemote(root)) return canonical(root);
          return fs.realpath(root).catch(() => {
            throw new UserError(`${root}: no such folder`);
          });
        }),
      ),
    );
  }

  /** @throws UserError where a name is not below one of the roots. */
  async check(name: string): Promise<void> {
    const place = isRemote(name) ? canonical(name) : await realPlace(path.resolve(name));
    if (this.roots.some((root) => isBelow(place, root))) return;
    throw new UserError(
      `${name}: is in none of the folders that this worker may use (${this.roots.join(', ')}); start the worker with that folder as a root`,
    );
  }
}

/** @throws UserError for keys with parts that no path has. */
function canonical(address: string): string {
  const { bucket, key } = parseAddress(address);
  if (key.split('/').some((part) => part === '.' || part === '..'))
    throw new UserError(`${address}: leads out of its folder`);
  return key ? `s3://${bucket}/${key}` : `s3://${bucket}`;
}

function isBelow(place: string, root: string): boolean {
  if (place === root) return true;
  const separator = isRemote(root) ? '/' : path.sep;
  return place.startsWith(root.endsWith(separator) ? root : root + separator);
}

/** Where a path leads through all links; of what is not there yet, the folder that will hold it. */
async function realPlace(file: string): Promise<string> {
  try {
    return await fs.realpath(file);
  } catch {
    const folder = path.dirname(file);
    return folder === file ? file : path.join(await realPlace(folder), path.basename(file));
  }
}
