import { UserError } from '../../errors.js';
import type { Files } from './named.js';

/**
 * A folder of the browser's own storage for this page (the origin private file system), which stays when the tab is
 * closed. Works in pages and workers.
 * @param path folders, such as `runs/cats`.
 * @param create whether they are made where absent. Default true.
 * @throws UserError where the browser gives no such storage (a private window, say), or they are absent.
 */
export async function openOpfs(path: string, create = true): Promise<Files> {
  let folder: FileSystemDirectoryHandle;
  try {
    folder = await navigator.storage.getDirectory();
    for (const name of path.split('/')) folder = await folder.getDirectoryHandle(name, { create });
  } catch (error) {
    throw new UserError(
      `this browser gives the page no storage of its own (${(error as Error).message}); use another window, not a private one`,
    );
  }
  const place = `the browser's storage (${path})`;
  return {
    place,
    async read(name) {
      try {
        const file = await (await folder.getFileHandle(name)).getFile();
        return new Uint8Array(await file.arrayBuffer());
      } catch (error) {
        if ((error as Error).name === 'NotFoundError') return undefined;
        throw error;
      }
    },
    async write(name, bytes) {
      let handle: FileSystemFileHandle | undefined;
      try {
        handle = await folder.getFileHandle(name, { create: true });
        // What is written takes the place of the file when it is closed, whole.
        const writable = await handle.createWritable();
        try {
          await writable.write(bytes as Uint8Array<ArrayBuffer>);
        } catch (error) {
          await writable.abort().catch(() => undefined);
          throw error;
        }
        await writable.close();
      } catch (error) {
        // A file that was begun for it holds nothing.
        if ((await handle?.getFile())?.size === 0) await folder.removeEntry(name).catch(() => undefined);
        const full = (error as Error).name === 'QuotaExceededError';
        const why = full ? 'is full: free some space' : `cannot be written (${(error as Error).message})`;
        throw new UserError(`${place}: ${why}; what was saved before is kept`, 1, { cause: error });
      }
    },
    async remove(name) {
      await folder.removeEntry(name).catch((error: Error) => {
        if (error.name !== 'NotFoundError') throw error;
      });
    },
  };
}
