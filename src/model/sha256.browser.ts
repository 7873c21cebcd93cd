import { sha256 as create } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';

/** Hexadecimal digits of the SHA-256 of the parts one after the other. WebCrypto has it on secure pages only. */
export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = create.create();
  for (const part of parts) hash.update(part);
  return bytesToHex(hash.digest());
}
