/**
 * Matroska by hand, as little as is needed to hand raw frames with their times to another program through a pipe
 * (RFC 9559): one video track `V_UNCOMPRESSED`, each frame a cluster of its own, sizes unknown in advance.
 */

/** Bytes of an element: its id, its length in eight bytes, its content. */
function element(id: number, content: Uint8Array): Buffer {
  const head = Buffer.alloc(idBytes(id) + 8);
  head.writeUIntBE(id, 0, idBytes(id));
  head.writeUInt8(0x01, idBytes(id));
  head.writeUIntBE(content.length, idBytes(id) + 2, 6);
  return Buffer.concat([head, content]);
}

const idBytes = (id: number): number => (id > 0xffffff ? 4 : id > 0xffff ? 3 : id > 0xff ? 2 : 1);

const parent = (id: number, ...children: Buffer[]): Buffer => element(id, Buffer.concat(children));

const text = (id: number, value: string): Buffer => element(id, Buffer.from(value, 'latin1'));

function uint(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(Math.round(value)));
  return element(id, bytes);
}

/** An element that ends with the file. */
function open(id: number): Buffer {
  const head = Buffer.alloc(idBytes(id) + 8, 0xff);
  head.writeUIntBE(id, 0, idBytes(id));
  head.writeUInt8(0x01, idBytes(id));
  return head;
}

/** Nanoseconds of a tick: times are whole microseconds. */
const tick = 1000;

/** Matrix, range (narrow), transfer, primaries: BT.709. */
const colour = parent(0x55b0, uint(0x55b1, 1), uint(0x55b9, 1), uint(0x55ba, 1), uint(0x55bb, 1));

/** Pixels of raw video, by the code that other programs know them by. */
export const rawCodes = { rgb24: 'RGB\x18', gray8: 'Y800', yuv420p: 'I420' } as const;
export type RawPixels = keyof typeof rawCodes;

/** What stands before the first frame. `frameSeconds`: how long a frame usually lasts. */
export function matroskaHeader(
  { width, height }: { readonly width: number; readonly height: number },
  pixels: RawPixels,
  frameSeconds: number,
): Buffer {
  return Buffer.concat([
    parent(0x1a45dfa3, text(0x4282, 'matroska'), uint(0x4287, 4), uint(0x4285, 2)),
    open(0x18538067),
    parent(0x1549a966, uint(0x2ad7b1, tick), text(0x4d80, 'vnet'), text(0x5741, 'vnet')),
    parent(
      0x1654ae6b,
      parent(
        0xae,
        ...[uint(0xd7, 1), uint(0x73c5, 1), uint(0x83, 1), text(0x86, 'V_UNCOMPRESSED')],
        uint(0x23e383, frameSeconds * 1e9),
        parent(
          0xe0,
          ...[uint(0xb0, width), uint(0xba, height), text(0x2eb524, rawCodes[pixels])],
          ...(pixels === 'yuv420p' ? [colour] : []),
        ),
      ),
    ),
  ]);
}

/** What stands before the pixels of a frame of `bytes` bytes at `seconds`. */
export function frameHeader(seconds: number, bytes: number): Buffer {
  const time = uint(0xe7, seconds * 1e6);
  // A block of track 1, at its cluster's own time, a key frame.
  const block = Buffer.from([0x81, 0, 0, 0x80]);
  const blockHead = Buffer.alloc(9);
  blockHead.writeUInt8(0xa3, 0);
  blockHead.writeUInt8(0x01, 1);
  blockHead.writeUIntBE(block.length + bytes, 3, 6);
  const cluster = Buffer.alloc(12);
  cluster.writeUInt32BE(0x1f43b675, 0);
  cluster.writeUInt8(0x01, 4);
  cluster.writeUIntBE(time.length + blockHead.length + block.length + bytes, 6, 6);
  return Buffer.concat([cluster, time, blockHead, block]);
}
