import { UserError } from '../../errors.js';
import { shownAddress } from './address.js';
import { storage } from './storage.js';
import type { StoredFile } from './store.js';

/** Files that a store may list below one folder. */
const mostFiles = 20_000_000;

interface Folder {
  readonly files: Map<string, StoredFile>;
  readonly folders: Set<string>;
}

/** What was listed, by address: layouts of data sets look at names again and again, and a store answers slowly. */
const listed = new Map<string, Folder>();

/**
 * Lists what lies below an address, or the file that it names, so that `isFile`, `isFolder` and `listNames` know it.
 * @throws UserError where the store refuses.
 */
export async function listRemote(name: string): Promise<void> {
  const root = shownAddress(name);
  const store = await storage();
  for (const known of listed.keys()) if (known === root || known.startsWith(`${root}/`)) listed.delete(known);
  let count = 0;
  for await (const file of store.list(root)) {
    if (++count > mostFiles)
      throw new UserError(`${root}: has more than ${mostFiles} files; name a folder in it`);
    add(file);
  }
  if (count > 0) return;
  const file = await store.stat(root);
  if (file) add(file);
}

/** The file of that address, if it was listed. */
export function remoteFile(name: string): StoredFile | undefined {
  const [folder, last] = split(shownAddress(name));
  return listed.get(folder)?.files.get(last);
}

/** Whether something was listed below an address. */
export const isRemoteFolder = (name: string): boolean => listed.has(shownAddress(name));

/** Names in a folder that was listed. */
export function remoteNames(name: string, kind: 'files' | 'folders'): string[] {
  const folder = listed.get(shownAddress(name));
  return folder ? [...folder[kind].keys()] : [];
}

function add(file: StoredFile): void {
  // Keys are free: some have parts that no path can have.
  const parts = file.file.slice('s3://'.length).split('/');
  if (parts.some((part) => part === '' || part === '.' || part === '..' || part.includes('\\'))) return;
  let [folder, name] = split(file.file);
  folderAt(folder).files.set(name, file);
  while (folder.length > 's3://'.length + parts[0].length) {
    [folder, name] = split(folder);
    folderAt(folder).folders.add(name);
  }
}

function folderAt(address: string): Folder {
  let folder = listed.get(address);
  if (!folder) {
    folder = { files: new Map(), folders: new Set() };
    listed.set(address, folder);
  }
  return folder;
}

const split = (address: string): [folder: string, name: string] => {
  const at = address.lastIndexOf('/');
  return [address.slice(0, at), address.slice(at + 1)];
};
