import { createHash } from 'node:crypto';

/** Hexadecimal digits of the SHA-256 of the parts one after the other. */
export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
