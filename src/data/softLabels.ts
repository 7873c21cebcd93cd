import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { UserError } from '../errors.js';
import type { SoftLabels } from './augment/softLabels.js';
import { readBytes, writeAtomic } from './files.js';

const magic = 0x31544653;
const headerBytes = 10;

/** Writes soft labels, compressed: most are certain. */
export async function writeSoftLabels(
  file: string,
  { height, width, classes, data }: SoftLabels,
): Promise<void> {
  const bytes = Buffer.alloc(headerBytes + data.length);
  bytes.writeUInt32LE(magic, 0);
  for (const [i, n] of [height, width, classes].entries()) bytes.writeUInt16LE(n, 4 + 2 * i);
  bytes.set(data, headerBytes);
  await writeAtomic(file, await promisify(gzip)(bytes, { level: 1 }));
}

/**
 * Reads what {@link writeSoftLabels} wrote.
 * @param expected sizes that it must have.
 * @throws UserError where the file is missing, damaged, or of another size.
 */
export async function readSoftLabels(file: string, expected: Omit<SoftLabels, 'data'>): Promise<SoftLabels> {
  const { height, width, classes } = expected;
  const length = headerBytes + height * width * classes;
  const stored = await readBytes(file);
  const bytes = await promisify(gunzip)(stored, { maxOutputLength: length }).catch(() => undefined);
  const [high, wide, deep] = [4, 6, 8].map((at) => (bytes?.length === length ? bytes.readUInt16LE(at) : 0));
  if (bytes?.readUInt32LE(0) !== magic || high !== height || wide !== width || deep !== classes) {
    throw new UserError(
      `${file}: is damaged, or of another picture: expected ${height}×${width}×${classes} soft labels; delete it and resume, and it is made again`,
    );
  }
  return { ...expected, data: bytes.subarray(headerBytes) };
}
