import { inflateRawSync } from 'node:zlib';
import { crc32 } from '../data/crc32.js';
import { UserError } from '../errors.js';

/** A file inside a zip file. */
export interface ZipEntry {
  /** Bytes when unpacked, as the directory says. */
  readonly size: number;
  /** Unpacks it. @throws UserError where its size or its checksum is not what the directory says. */
  read(): Uint8Array;
}

/** Numbers hardly pack: what grows more than this is no checkpoint. */
const largestRatio = 16;
/** Of a zip file that small, any ratio is harmless. */
const smallBytes = 2 ** 24;
const end = { signature: 0x06054b50, bytes: 22, comment: 65_535 };
const end64 = { signature: 0x06064b50, locator: 0x07064b50, bytes: 56, locatorBytes: 20 };
const central = { signature: 0x02014b50, bytes: 46 };
const local = { signature: 0x04034b50, bytes: 30 };

/**
 * The directory of a zip file (stored and deflated entries, zip64 too); nothing is unpacked before it is asked for.
 * https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
 * @param file is what messages name.
 * @throws UserError: damaged, encrypted, another compression, or unpacked out of proportion to its size.
 */
export function readZip(bytes: Uint8Array, file: string): ReadonlyMap<string, ZipEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const damaged = (what: string) => new UserError(`${file}: is a damaged zip file (${what}); get it again`);
  /** `count` bytes from `at` lie in the file. */
  const within = (at: number, count: number): boolean =>
    Number.isSafeInteger(at) &&
    Number.isSafeInteger(count) &&
    at >= 0 &&
    count >= 0 &&
    at + count <= bytes.length;
  const u64 = (at: number): number => Number(view.getBigUint64(at, true));

  const directory = findDirectory(view, within);
  if (!directory || !within(directory.at, directory.count * central.bytes))
    throw damaged('without a directory');
  const entries = new Map<string, ZipEntry>();
  let { at } = directory;
  let unpacked = 0;
  for (let i = 0; i < directory.count; i++) {
    if (!within(at, central.bytes) || view.getUint32(at, true) !== central.signature)
      throw damaged('its directory');
    const flags = view.getUint16(at + 8, true);
    const method = view.getUint16(at + 10, true);
    const checksum = view.getUint32(at + 16, true);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((k) => view.getUint16(at + k, true));
    const nameAt = at + central.bytes;
    const next = nameAt + nameBytes + extraBytes + commentBytes;
    if (!within(nameAt, next - nameAt)) throw damaged('its directory');
    const name = new TextDecoder().decode(bytes.subarray(nameAt, nameAt + nameBytes));
    // Where a 32-bit field is full, the 64-bit number follows in the extra field, in this order.
    const fields = { size: 24, packed: 20, offset: 42 };
    const wide = wideFields(view, nameAt + nameBytes, extraBytes);
    const [size, packed, offset] = Object.values(fields).map((field) => {
      const short = view.getUint32(at + field, true);
      if (short !== 0xffffffff) return short;
      const place = wide.shift();
      return place === undefined ? short : u64(place);
    });
    at = next;
    if (flags & 1)
      throw new UserError(`${file}: is an encrypted zip file; write the checkpoint without a password`);
    if (method !== 0 && method !== 8)
      throw new UserError(`${file}: ${name} is packed by method ${method}; expected a file of torch.save`);
    if (!within(offset, local.bytes) || view.getUint32(offset, true) !== local.signature) throw damaged(name);
    const start =
      offset + local.bytes + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
    if (!within(start, packed) || !Number.isSafeInteger(size) || (method === 0 && size !== packed))
      throw damaged(name);
    unpacked += size;
    if (unpacked > Math.max(smallBytes, largestRatio * bytes.length)) {
      throw new UserError(
        `${file}: would unpack to more than ${largestRatio} times its size, which no checkpoint does; get another copy`,
      );
    }
    const read = (): Uint8Array => {
      const data = bytes.subarray(start, start + packed);
      let content: Uint8Array = data;
      if (method === 8) {
        try {
          content = inflateRawSync(data, { maxOutputLength: Math.max(1, size) });
        } catch {
          throw damaged(name);
        }
      }
      if (content.length !== size || crc32(content) !== checksum)
        throw damaged(`the checksum of ${name} is wrong`);
      return content;
    };
    entries.set(name, { size, read });
  }
  return entries;
}

/** Where the central directory starts, and its number of entries. */
function findDirectory(
  view: DataView,
  within: (at: number, count: number) => boolean,
): { at: number; count: number } | undefined {
  const lowest = Math.max(0, view.byteLength - end.bytes - end.comment);
  for (let at = view.byteLength - end.bytes; at >= lowest; at--) {
    if (view.getUint32(at, true) !== end.signature) continue;
    const locator = at - end64.locatorBytes;
    if (within(locator, end64.locatorBytes) && view.getUint32(locator, true) === end64.locator) {
      const wide = Number(view.getBigUint64(locator + 8, true));
      if (!within(wide, end64.bytes) || view.getUint32(wide, true) !== end64.signature) return undefined;
      return {
        at: Number(view.getBigUint64(wide + 48, true)),
        count: Number(view.getBigUint64(wide + 32, true)),
      };
    }
    return { at: view.getUint32(at + 16, true), count: view.getUint16(at + 10, true) };
  }
  return undefined;
}

/** Places of the 64-bit numbers in a zip64 extra field. */
function wideFields(view: DataView, start: number, length: number): number[] {
  for (let at = start; at + 4 <= start + length; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const bytes = Math.min(view.getUint16(at + 2, true), start + length - at - 4);
    return Array.from({ length: bytes >> 3 }, (_, i) => at + 4 + 8 * i);
  }
  return [];
}
