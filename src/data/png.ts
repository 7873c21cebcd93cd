import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflate, inflateSync } from 'node:zlib';

/** Bytes of pixels: height × width × channels, rows first. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** Compressed and decompressed bytes at a time, so that what waits stays small. */
const pieceBytes = 1 << 18;
/** Up to here one call beats a stream. */
const smallBytes = 1 << 20;

/** Chunks that other readers let change the pixels. */
const changing = new Set(['iCCP', 'eXIf', 'tRNS', 'cICP']);

/**
 * Decodes the common kinds of PNG with little memory besides the pixels: 8 bits, not interlaced; colour (3 channels),
 * or grey or palette indices (1 channel). `undefined` for everything else, damaged files too: a general reader can
 * say what is wrong with them. https://www.w3.org/TR/png-3/
 * @param into where the pixels go if they have that size; default: memory of their own.
 */
export async function decodePlainPng(
  bytes: Buffer,
  channels: 1 | 3,
  into?: Pixels,
): Promise<Pixels | undefined> {
  const parts = chunksOf(bytes, channels);
  if (!parts) return undefined;
  const { width, height, compressed } = parts;
  const fits = into && into.width === width && into.height === height;
  const pixels = fits ? into : { width, height, data: new Uint8Array(width * height * channels) };
  const rows = new Rows(pixels, channels);
  try {
    if (pixels.data.length <= smallBytes) {
      rows.take(inflateSync(Buffer.concat(compressed), { maxOutputLength: rows.bytes + 1 }));
    } else {
      await pipeline(
        Readable.from(pieces(compressed)),
        createInflate({ chunkSize: pieceBytes }),
        async (inflated: AsyncIterable<Buffer>) => {
          for await (const piece of inflated) rows.take(piece);
        },
      );
    }
  } catch {
    return undefined;
  }
  return rows.complete ? pixels : undefined;
}

/** The size of a PNG that {@link decodePlainPng} decodes, were its pixels not damaged. */
export function plainPngSize(bytes: Buffer): { height: number; width: number } | undefined {
  const parts = chunksOf(bytes, 3);
  return parts && { height: parts.height, width: parts.width };
}

/** Size and compressed data; `undefined` where this is not such a PNG, or a checksum is wrong. */
function chunksOf(bytes: Buffer, channels: 1 | 3) {
  if (bytes.length < 57 || bytes.readUInt32BE(0) !== 0x89504e47 || bytes.readUInt32BE(4) !== 0x0d0a1a0a) {
    return undefined;
  }
  let size: { width: number; height: number } | undefined;
  const compressed: Buffer[] = [];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) return undefined;
    const type = bytes.toString('latin1', at + 4, at + 8);
    if (changing.has(type) || (type === 'IHDR') !== (at === 8)) return undefined;
    // The pixels have a checksum of their own, over what they decompress to.
    if (type === 'IDAT') compressed.push(bytes.subarray(at + 8, end));
    else if (crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end)) return undefined;
    if (type === 'IHDR') {
      if (length !== 13) return undefined;
      size = { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) };
      const [depth, colour, compression, filter, interlace] = bytes.subarray(24, 29);
      const kind = channels === 3 ? colour === 2 : colour === 0 || colour === 3;
      if (depth !== 8 || !kind || compression + filter + interlace > 0) return undefined;
      // No more than deflate can pack: a damaged header must not ask for gigabytes.
      const pixels = size.width * size.height;
      if (pixels === 0 || pixels * channels > 1100 * bytes.length) return undefined;
    }
    if (type === 'IEND') return size && { ...size, compressed };
    at = end + 4;
  }
  return undefined;
}

/** The compressed data in parts of a good size: files have it in parts of any size. */
function* pieces(compressed: readonly Buffer[]): Generator<Buffer> {
  let group: Buffer[] = [];
  let bytes = 0;
  for (const part of compressed) {
    group.push(part);
    bytes += part.length;
    if (bytes < pieceBytes) continue;
    yield Buffer.concat(group);
    group = [];
    bytes = 0;
  }
  if (bytes > 0) yield Buffer.concat(group);
}

/** Takes decompressed bytes, each row a filter type and its bytes, and undoes the filters. */
class Rows {
  private readonly stride: number;
  private filter = -1;
  private row = 0;
  private column = 0;

  constructor(
    private readonly pixels: Pixels,
    private readonly channels: number,
  ) {
    this.stride = pixels.width * channels;
  }

  /** What all rows take decompressed. */
  get bytes(): number {
    return (this.stride + 1) * this.pixels.height;
  }

  get complete(): boolean {
    return this.row === this.pixels.height;
  }

  take(piece: Uint8Array): void {
    const { stride } = this;
    const { data, height } = this.pixels;
    for (let at = 0; at < piece.length; ) {
      if (this.row === height) throw new RangeError('too many rows');
      if (this.filter < 0) {
        this.filter = piece[at++];
        continue;
      }
      const count = Math.min(stride - this.column, piece.length - at);
      data.set(piece.subarray(at, at + count), this.row * stride + this.column);
      this.column += count;
      at += count;
      if (this.column < stride) continue;
      unfilter(this.filter, data, this.row, stride, this.channels);
      this.filter = -1;
      this.column = 0;
      this.row++;
    }
  }
}

/** Bytes are differences to: 0 nothing, 1 the left pixel a, 2 the one above b, 3 ⌊(a + b)/2⌋, 4 Paeth's choice. */
function unfilter(filter: number, data: Uint8Array, row: number, stride: number, channels: number): void {
  const start = row * stride;
  const end = start + stride;
  const first = start + channels;
  if (filter === 0) return;
  // Without a row above, and in the first pixel, Paeth's choice is always the one neighbour there is.
  if (filter === 1 || (filter === 4 && row === 0)) {
    for (let i = first; i < end; i++) data[i] += data[i - channels];
  } else if (filter === 2) {
    if (row > 0) for (let i = start; i < end; i++) data[i] += data[i - stride];
  } else if (filter === 3) {
    for (let i = start; i < end; i++) {
      const left = i < first ? 0 : data[i - channels];
      data[i] += (left + (row > 0 ? data[i - stride] : 0)) >> 1;
    }
  } else if (filter === 4) {
    for (let i = start; i < first; i++) data[i] += data[i - stride];
    for (let i = first; i < end; i++) {
      const a = data[i - channels];
      const b = data[i - stride];
      const c = data[i - stride - channels];
      const pa = Math.abs(b - c);
      const pb = Math.abs(a - c);
      const pc = Math.abs(a + b - 2 * c);
      data[i] += pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
    }
  } else throw new RangeError(`filter ${filter}`);
}

const crcTable = Int32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** The CRC-32 of ISO 3309. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}
