import type { Pixels } from './png.js';

// sharp reads no BMP, and of the libraries that do, bmp-ts (1.0.9) ends odd 4-bit pictures after their first row and
// fast-bmp (4.0) knows only the newest of five headers.

/** True where the bytes start like a Windows bitmap. */
export function isBmp(bytes: Buffer): boolean {
  return bytes.length >= 26 && bytes.toString('latin1', 0, 2) === 'BM' && bytes.readUInt32LE(14) <= 124;
}

/** The size of a bitmap by its header. @throws Error where the header is damaged. */
export function bmpSize(bytes: Buffer): { height: number; width: number } {
  const { height, width } = headerOf(bytes);
  return { height, width };
}

/**
 * Decodes an uncompressed bitmap of 1, 4, 8 (palette), 16, 24 or 32 bits to red, green, blue; alpha is dropped.
 * https://learn.microsoft.com/windows/win32/gdi/bitmap-storage
 * @param most pixels that are decoded.
 * @throws Error with a short cause: damaged, cut off, compressed or too large.
 */
export function decodeBmp(bytes: Buffer, most: number): Pixels {
  const { height, width, bits, upward, start, palette, masks } = headerOf(bytes);
  if (height * width > most) throw new Error(`it has ${height}×${width} pixels`);
  const stride = 4 * Math.ceil((width * bits) / 32);
  if (start + stride * height > bytes.length) throw new Error('the file is cut off');
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const row = start + stride * (upward ? height - 1 - y : y);
    for (let x = 0, to = 3 * width * y; x < width; x++, to += 3) {
      if (bits <= 8) {
        const bit = x * bits;
        const index = (bytes[row + (bit >> 3)] >> (8 - bits - (bit & 7))) & ((1 << bits) - 1);
        if (4 * index + 2 >= palette.length) throw new Error(`it has no colour ${index}`);
        for (let c = 0; c < 3; c++) data[to + c] = palette[4 * index + 2 - c];
      } else if (bits === 24) {
        for (let c = 0; c < 3; c++) data[to + c] = bytes[row + 3 * x + 2 - c];
      } else {
        const value = bits === 16 ? bytes.readUInt16LE(row + 2 * x) : bytes.readUInt32LE(row + 4 * x);
        for (let c = 0; c < 3; c++)
          data[to + c] = ((value >>> masks[c].shift) & masks[c].top) * masks[c].scale;
      }
    }
  }
  return { width, height, data };
}

function headerOf(bytes: Buffer) {
  const size = bytes.readUInt32LE(14);
  // The oldest header (12 bytes, OS/2) has shorter fields, and colours of three bytes.
  if (size < 40 || bytes.length < 14 + size) throw new Error('its header is damaged or of OS/2');
  const width = bytes.readInt32LE(18);
  const rows = bytes.readInt32LE(22);
  const bits = bytes.readUInt16LE(28);
  const compression = bytes.readUInt32LE(30);
  const height = Math.abs(rows);
  if (width <= 0 || height === 0 || ![1, 4, 8, 16, 24, 32].includes(bits))
    throw new Error('its header is damaged');
  // 0: plain, 3 and 6: plain with masks that say where the colours lie.
  const masked = (compression === 3 || compression === 6) && (bits === 16 || bits === 32);
  if (compression !== 0 && !masked) throw new Error('it is compressed; save it as PNG');
  const end = 14 + size + (masked && size === 40 ? 12 : 0);
  if (end > bytes.length) throw new Error('the file is cut off');
  const usual = bits === 16 ? [0x7c00, 0x3e0, 0x1f] : [0xff0000, 0xff00, 0xff];
  const masks = usual.map((mask, c) => maskOf(masked ? bytes.readUInt32LE(54 + 4 * c) : mask));
  const colours = bits <= 8 ? bytes.readUInt32LE(46) || 1 << bits : 0;
  return {
    height,
    width,
    bits,
    upward: rows > 0,
    start: bytes.readUInt32LE(10),
    palette: bytes.subarray(end, end + 4 * Math.min(colours, 1 << bits)),
    masks,
  };
}

/** How to get a colour out of a pixel: its shift, its largest value, and what makes 255 of that. */
function maskOf(mask: number) {
  const shift = mask === 0 ? 0 : 31 - Math.clz32(mask & -mask);
  const top = mask >>> shift;
  return { shift, top, scale: top === 0 ? 0 : 255 / top };
}
