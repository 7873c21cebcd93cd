import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createInflate, inflateSync } from 'node:zlib';
import { crc32 } from './crc32.js';

// Why a decoder of our own: labels are values and palette indices, which sharp turns into colours, and interlaced ones
// of less than 8 bits fast-png (8.0) refuses. Pictures of the commonest kind go straight into the memory of the batch.
// And the first picture comes sooner: this is loaded in 0.03 s where sharp takes 0.6 to 0.8 s on two busy cores, and the
// process peaks at 63 and 109 MiB instead of 77 and 142 MiB (360×480 and 1024×2048). Later large ones sharp decodes faster.

/** Bytes of pixels: height × width × channels, rows first. */
export interface Pixels {
  width: number;
  height: number;
  data: Uint8Array;
}

/** What a PNG says of itself before its pixels. */
export interface PngHeader {
  width: number;
  height: number;
  /** Bits a sample: 1, 2, 4, 8 or 16. */
  depth: number;
  /** 0 grey, 2 colour, 3 palette, 4 grey and alpha, 6 colour and alpha. */
  colour: number;
  interlaced: boolean;
  /** Red, green, blue of each index, where the file has a palette. */
  palette?: Uint8Array;
  /** Chunks by which other readers change the pixels: profiles, orientation, transparency. */
  changing: boolean;
  /** The compressed pixels, in the parts that the file has them in. */
  compressed: Buffer[];
}

/** A decoded PNG: samples as stored, those of less than 8 bits one a byte and not rescaled. */
export interface PngImage {
  width: number;
  height: number;
  channels: 1 | 2 | 3 | 4;
  data: Uint8Array | Uint16Array;
}

/** Compressed and decompressed bytes at a time, so that what waits stays small. */
const pieceBytes = 1 << 18;
/** Up to here one call beats a stream. */
const smallBytes = 1 << 20;

/** Chunks that other readers let change the pixels. */
const changing = new Set(['iCCP', 'eXIf', 'tRNS', 'cICP']);

const channelsOf: Readonly<Record<number, 1 | 2 | 3 | 4>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };
const depthsOf: Readonly<Record<number, readonly number[]>> = {
  0: [1, 2, 4, 8, 16],
  2: [8, 16],
  3: [1, 2, 4, 8],
  4: [8, 16],
  6: [8, 16],
};

/** Where the pixels of each pass lie: first column and row, and the steps to the next. */
type Pass = readonly [x: number, y: number, dx: number, dy: number];
const adam7: readonly Pass[] = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
];

/** True where the bytes start like a PNG. */
export function isPng(bytes: Buffer): boolean {
  return bytes.length >= 8 && bytes.readUInt32BE(0) === 0x89504e47 && bytes.readUInt32BE(4) === 0x0d0a1a0a;
}

/**
 * Decodes the pictures that are stored as the pixels are wanted, with little memory besides the pixels: 8 bits, not
 * interlaced, colour. `undefined` for everything else, damaged files too: a general reader can say what is wrong.
 * @param most pixels that are decoded.
 * @param into where the pixels go if they have that size; default: memory of their own.
 */
export async function decodePlainPng(
  bytes: Buffer,
  most: number,
  into?: Pixels,
): Promise<Pixels | undefined> {
  const header = plainHeader(bytes);
  if (!header || header.width * header.height > most) return undefined;
  const { width, height } = header;
  const fits = into && into.width === width && into.height === height;
  const data = fits ? into.data : new Uint8Array(width * height * 3);
  try {
    await inflateInto(header.compressed, [new Rows(data, 3 * width, height, 3)]);
  } catch {
    return undefined;
  }
  return fits ? into : { width, height, data };
}

/** The size of a PNG that {@link decodePlainPng} decodes, were its pixels not damaged. */
export function plainPngSize(bytes: Buffer): { height: number; width: number } | undefined {
  const header = plainHeader(bytes);
  return header && { height: header.height, width: header.width };
}

function plainHeader(bytes: Buffer): PngHeader | undefined {
  if (!isPng(bytes)) return undefined;
  try {
    const header = readPngHeader(bytes);
    const plain = header.depth === 8 && header.colour === 2 && !header.interlaced && !header.changing;
    return plain ? header : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Reads everything but the pixels. https://www.w3.org/TR/png-3/
 * @throws Error with a short cause: cut off, a checksum that is wrong, a size that so few bytes cannot hold.
 */
export function readPngHeader(bytes: Buffer): PngHeader {
  let header: PngHeader | undefined;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at);
    const end = at + 8 + length;
    if (end + 4 > bytes.length) throw new Error('the file is cut off');
    const type = bytes.toString('latin1', at + 4, at + 8);
    if ((type === 'IHDR') !== (at === 8)) throw new Error('the header is not where it belongs');
    // Pixels too: the Adler-32 over what they decompress to takes some flips of a few bits for another picture.
    if (crc32(bytes.subarray(at + 4, end)) !== bytes.readUInt32BE(end))
      throw new Error(`the checksum of part ${JSON.stringify(type)} is wrong`);
    if (type === 'IHDR') header = parseHeader(bytes, length);
    if (type === 'IDAT') header?.compressed.push(bytes.subarray(at + 8, end));
    if (header && type === 'PLTE') {
      if (length % 3 !== 0 || length > 768) throw new Error('the palette is damaged');
      header.palette = bytes.subarray(at + 8, end);
    }
    if (header && changing.has(type)) header.changing = true;
    if (header && type === 'IEND') return header;
    at = end + 4;
  }
  throw new Error('the file is cut off');
}

function parseHeader(bytes: Buffer, length: number): PngHeader {
  const [width, height] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
  const [depth, colour, compression, filter, interlace] = bytes.subarray(24, 29);
  const kind = depthsOf[colour]?.includes(depth) && compression + filter === 0 && interlace < 2;
  if (length !== 13 || !kind) throw new Error('the header is damaged');
  const pixels = width * height;
  // Deflate packs at most 1032 bytes into one: a damaged header must not ask for gigabytes.
  const stored = (pixels * depth * channelsOf[colour]) / 8;
  if (pixels === 0 || stored > 1040 * bytes.length) {
    throw new Error(
      `its header says ${height}×${width} pixels, more than its ${bytes.length} bytes can hold`,
    );
  }
  return { width, height, depth, colour, interlaced: interlace === 1, changing: false, compressed: [] };
}

/**
 * Decodes the pixels of any PNG to its samples as stored.
 * @param into where samples of 8 bits and one channel go if they have that size.
 * @throws Error with a short cause where the pixels are damaged or missing.
 */
export async function decodePng(header: PngHeader, into?: Pixels): Promise<PngImage> {
  const { width, height, depth, colour, interlaced } = header;
  const channels = channelsOf[colour];
  const passes: readonly Pass[] = interlaced ? adam7 : [[0, 0, 1, 1]];
  const bits = depth * channels;
  const fits = into && into.width === width && into.height === height && bits === 8 && !interlaced;
  const parts = passes.flatMap((pass) => {
    const [x, y, dx, dy] = pass;
    const columns = Math.ceil((width - x) / dx);
    const lines = Math.ceil((height - y) / dy);
    if (columns <= 0 || lines <= 0) return [];
    const stride = Math.ceil((columns * bits) / 8);
    const data = fits ? into.data : new Uint8Array(stride * lines);
    return [{ pass, columns, lines, rows: new Rows(data, stride, lines, Math.max(1, bits >> 3)) }];
  });
  await inflateInto(
    header.compressed,
    parts.map(({ rows }) => rows),
  );
  if (!interlaced && depth === 8) return { width, height, channels, data: parts[0].rows.data };
  const samples = width * height * channels;
  const data = depth === 16 ? new Uint16Array(samples) : new Uint8Array(samples);
  for (const { pass, columns, lines, rows } of parts) {
    spread(rows, depth, channels, columns, lines, pass, width, data);
  }
  return { width, height, channels, data };
}

/** Puts the samples of a pass where they belong. */
function spread(
  { data: packed, stride }: Rows,
  depth: number,
  channels: number,
  columns: number,
  lines: number,
  [x0, y0, dx, dy]: Pass,
  width: number,
  out: Uint8Array | Uint16Array,
): void {
  const mask = (1 << Math.min(depth, 8)) - 1;
  for (let line = 0; line < lines; line++) {
    const row = line * stride;
    for (let column = 0; column < columns; column++) {
      const to = ((y0 + line * dy) * width + x0 + column * dx) * channels;
      for (let c = 0; c < channels; c++) {
        const sample = column * channels + c;
        if (depth === 16) out[to + c] = (packed[row + 2 * sample] << 8) | packed[row + 2 * sample + 1];
        else {
          const bit = sample * depth;
          out[to + c] = (packed[row + (bit >> 3)] >> (8 - depth - (bit & 7))) & mask;
        }
      }
    }
  }
}

/** Decompresses into the rows of one pass after the other; stops at the first byte too many. */
async function inflateInto(compressed: readonly Buffer[], passes: readonly Rows[]): Promise<void> {
  let pass = 0;
  const take = (inflated: Buffer) => {
    for (let piece = inflated; piece.length > 0; ) {
      if (pass === passes.length) throw new Error('it has more pixels than its header says');
      piece = piece.subarray(passes[pass].take(piece));
      if (passes[pass].complete) pass++;
    }
  };
  const bytes = passes.reduce((sum, rows) => sum + rows.bytes, 0);
  if (bytes <= smallBytes) take(inflateSync(Buffer.concat(compressed), { maxOutputLength: bytes + 1 }));
  else {
    await pipeline(
      Readable.from(pieces(compressed)),
      createInflate({ chunkSize: pieceBytes }),
      async (inflated: AsyncIterable<Buffer>) => {
        for await (const piece of inflated) take(piece);
      },
    );
  }
  if (pass < passes.length) throw new Error('pixels are missing');
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
  private filter = -1;
  private row = 0;
  private column = 0;

  /** @param stride bytes a row. @param pixelBytes distance of the bytes that filters compare, at least 1. */
  constructor(
    readonly data: Uint8Array,
    readonly stride: number,
    private readonly height: number,
    private readonly pixelBytes: number,
  ) {}

  /** What all rows take decompressed. */
  get bytes(): number {
    return (this.stride + 1) * this.height;
  }

  get complete(): boolean {
    return this.row === this.height;
  }

  /** @returns how many bytes it took: all, or as many as were missing. */
  take(piece: Uint8Array): number {
    const { stride, data } = this;
    let at = 0;
    while (at < piece.length && this.row < this.height) {
      if (this.filter < 0) {
        this.filter = piece[at++];
        continue;
      }
      const count = Math.min(stride - this.column, piece.length - at);
      data.set(piece.subarray(at, at + count), this.row * stride + this.column);
      this.column += count;
      at += count;
      if (this.column < stride) continue;
      unfilter(this.filter, data, this.row, stride, this.pixelBytes);
      this.filter = -1;
      this.column = 0;
      this.row++;
    }
    return at;
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
  } else throw new Error('its pixels are damaged');
}
