import type { Storage } from './store.js';

let opened: Promise<Storage> | undefined;

/** The store that addresses name; its client is loaded with the first one. */
export function storage(): Promise<Storage> {
  opened ??= import('./s3.js').then(({ openS3 }) => openS3());
  return opened;
}
