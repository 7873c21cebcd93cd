import * as zlib from 'node:zlib';

const table = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** By a table, for Node before 20.15. */
export function crc32ByTable(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = table[(crc ^ bytes[i]) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** The CRC-32 of ISO 3309, as in PNG and zip files. */
export const crc32: (bytes: Uint8Array) => number = zlib.crc32 ?? crc32ByTable;
