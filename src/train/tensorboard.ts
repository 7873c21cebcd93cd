import { promises as fs } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { makeFolder, unwritable } from '../data/files.js';
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
    writer.push(bytesField(3, Buffer.from('brain.Event:2')));
    const sessionStart = intField(1, 1);
    writer.push(intField(2, firstStep), bytesField(7, sessionStart));
    await writer.flush();
    return writer;
  }

  /** Values by tag; a value that is not finite is written as it is. */
  scalars(step: number, values: Readonly<Record<string, number>>): void {
    const summary = Object.entries(values).map(([tag, value]) =>
      bytesField(1, bytesField(1, Buffer.from(tag)), floatField(2, value)),
    );
    this.push(intField(2, step), bytesField(5, ...summary));
  }

  /** An encoded PNG of RGB pixels under a tag. */
  image(step: number, tag: string, size: { width: number; height: number }, png: Uint8Array): void {
    const image = [intField(1, size.height), intField(2, size.width), intField(3, 3), bytesField(4, png)];
    const value = bytesField(1, bytesField(1, Buffer.from(tag)), bytesField(4, ...image));
    this.push(intField(2, step), bytesField(5, value));
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

  private push(...fields: Buffer[]): void {
    this.pending.push(tfRecord(Buffer.concat([doubleField(1, Date.now() / 1000), ...fields])));
  }
}

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

// Protocol buffer wire format: a field is `number << 3 | type`, type 0 varint, 1 eight bytes, 2 length-delimited,
// 5 four bytes.

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}

const intField = (field: number, value: number): Buffer =>
  Buffer.from([...varint(field * 8), ...varint(value)]);

/** A string, bytes, or a message made of the given fields. */
function bytesField(field: number, ...parts: Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([...varint(field * 8 + 2), ...varint(content.length)]), content]);
}

function floatField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes[0] = field * 8 + 5;
  bytes.writeFloatLE(value, 1);
  return bytes;
}

function doubleField(field: number, value: number): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = field * 8 + 1;
  bytes.writeDoubleLE(value, 1);
  return bytes;
}
