import { promises as fs } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { makeFolder, unwritable } from '../data/files.js';
import { Message } from '../protobuf.js';
import { crc32c } from './crc32c.js';

/**
 * Writes scalars and images for TensorBoard: a file of TFRecords, each an `Event` message of
 * tensorflow/core/util/event.proto. Records are buffered until `flush`.
 */
export class TensorBoardWriter {
  private pending: Uint8Array[] = [];

  private constructor(readonly file: string) {}

  /**
   * Starts a new event file in `dir`. TensorBoard drops what earlier files of the folder say about `firstStep` and
   * later steps, so a resumed run shows no step twice.
   */
  static async create(dir: string, firstStep: number): Promise<TensorBoardWriter> {
    await makeFolder(dir);
    const stamp = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    const writer = new TensorBoardWriter(
      path.join(dir, `events.out.tfevents.${stamp}.${hostname()}.${process.pid}.${firstStep}`),
    );
    writer.push(event().string(3, 'brain.Event:2'));
    const sessionStart = new Message().int(1, 1);
    writer.push(event().int(2, firstStep).message(7, sessionStart));
    await writer.flush();
    return writer;
  }

  /** Values by tag; a value that is not finite is written as it is. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      new Message().string(1, tag).float(2, value),
    );
    this.push(event().int(2, step).message(5, new Message().messages(1, summary)));
  }

  /** An encoded PNG of RGB pixels under a tag. */
  image(step: number, tag: string, size: { width: number; height: number }, png: Uint8Array): void {
    const image = new Message().int(1, size.height).int(2, size.width).int(3, 3).bytes(4, png);
    const value = new Message().string(1, tag).message(4, image);
    this.push(event().int(2, step).message(5, new Message().message(1, value)));
  }

  /** Appends what was recorded since the last flush. */
  async flush(): Promise<void> {
    const records = this.pending;
    this.pending = [];
    if (records.length === 0) return;
    await fs.appendFile(this.file, Buffer.concat(records)).catch((error: unknown) => {
      throw unwritable(this.file, error);
    });
  }

  private push(event: Message): void {
    this.pending.push(tfRecord(event.encode()));
  }
}

/** An `Event` of now. */
const event = (): Message => new Message().double(1, Date.now() / 1000);

/** `length u64 | masked crc32c(length) u32 | data | masked crc32c(data) u32`, little-endian. */
export function tfRecord(data: Uint8Array): Uint8Array {
  const record = Buffer.alloc(16 + data.length);
  record.writeBigUInt64LE(BigInt(data.length), 0);
  record.writeUInt32LE(maskedCrc(record.subarray(0, 8)), 8);
  record.set(data, 12);
  record.writeUInt32LE(maskedCrc(data), 12 + data.length);
  return record;
}

/** TensorFlow's mask, which keeps the checksum of data that holds checksums from being degenerate. */
export function maskedCrc(data: Uint8Array): number {
  const crc = crc32c(data);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
