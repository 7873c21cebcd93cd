import { deflateSync } from 'node:zlib';

/** A PNG of any kind, written here so that the oracle of a decoder is not its own library. */
export interface PngParts {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly depth: 1 | 2 | 4 | 8 | 16;
  /** Colour type: 0 grey, 2 colour, 3 palette, 4 and 6 with alpha. */
  readonly colour: 0 | 2 | 3 | 4 | 6;
  readonly interlaced?: boolean;
  /** Red, green, blue of each index. */
  readonly palette?: Uint8Array;
  /** The filter of row `row`, 0 to 4; default 0. */
  readonly filter?: (row: number) => number;
  /** Sample `c` of a pixel. */
  readonly sample: (x: number, y: number, c: number) => number;
}

export const channelsOf = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 } as const;

export function encodePng(parts: PngParts): Buffer {
  const { width, height, depth, colour, interlaced = false, palette, filter = () => 0, sample } = parts;
  const channels = channelsOf[colour];
  const bits = depth * channels;
  const passes = interlaced
    ? [
        [0, 0, 8, 8],
        [4, 0, 8, 8],
        [0, 4, 4, 8],
        [2, 0, 4, 4],
        [0, 2, 2, 4],
        [1, 0, 2, 2],
        [0, 1, 1, 2],
      ]
    : [[0, 0, 1, 1]];
  const rows: Buffer[] = [];
  for (const [x0, y0, dx, dy] of passes) {
    let above: Buffer | undefined;
    for (let y = y0; y < height && x0 < width; y += dy) {
      const raw = Buffer.alloc(Math.ceil((Math.ceil((width - x0) / dx) * bits) / 8));
      for (let x = x0, i = 0; x < width; x += dx) {
        for (let c = 0; c < channels; c++, i++) {
          const value = sample(x, y, c);
          if (depth === 16) raw.writeUInt16BE(value, 2 * i);
          else raw[(i * depth) >> 3] |= value << (8 - depth - ((i * depth) & 7));
        }
      }
      rows.push(
        filtered(filter(rows.length), raw, above ?? Buffer.alloc(raw.length), Math.max(1, bits >> 3)),
      );
      above = raw;
    }
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  return joinPng([
    pngChunk('IHDR', header),
    ...(palette ? [pngChunk('PLTE', palette)] : []),
    pngChunk('IDAT', deflateSync(Buffer.concat(rows))),
    pngChunk('IEND', new Uint8Array()),
  ]);
}

export const joinPng = (chunks: readonly Buffer[]): Buffer =>
  Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), ...chunks]);

function filtered(kind: number, raw: Buffer, above: Buffer, step: number): Buffer {
  const out = Buffer.alloc(raw.length + 1);
  out[0] = kind;
  for (let i = 0; i < raw.length; i++) {
    const a = i >= step ? raw[i - step] : 0;
    const b = above[i];
    const c = i >= step ? above[i - step] : 0;
    const p = a + b - c;
    const nearest = [a, b, c].reduce((best, value) =>
      Math.abs(p - value) < Math.abs(p - best) ? value : best,
    );
    out[i + 1] = raw[i] - [0, a, b, (a + b) >> 1, nearest][kind];
  }
  return out;
}

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  let crc = 0xffffffff;
  for (const byte of body) {
    crc ^= byte;
    for (let k = 0; k < 8; k++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(~crc >>> 0, body.length + 4);
  return out;
}
