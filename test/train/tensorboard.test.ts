import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { crc32c } from '../../src/train/crc32c.js';
import { maskedCrc, TensorBoardWriter, tfRecord } from '../../src/train/tensorboard.js';

test('CRC-32C of the vectors in RFC 3720 B.4', () => {
  assert.equal(crc32c(new Uint8Array(32)), 0x8a9136aa);
  assert.equal(crc32c(new Uint8Array(32).fill(0xff)), 0x62a8ab43);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i)), 0x46dd794e);
  assert.equal(crc32c(Uint8Array.from({ length: 32 }, (_, i) => 31 - i)), 0x113fdb5c);
  assert.equal(crc32c(Buffer.from('123456789')), 0xe3069283);
});

test('a TFRecord is framed as TensorFlow frames it', () => {
  // The header of every event file for a version record of 24 bytes: length, masked crc of the length.
  assert.equal(
    Buffer.from(tfRecord(new Uint8Array(24)).subarray(0, 12)).toString('hex'),
    '1800000000000000a37f4b22',
  );
  const record = tfRecord(Buffer.from('abc'));
  assert.equal(record.length, 19);
  assert.equal(Buffer.from(record).readUInt32LE(15), maskedCrc(Buffer.from('abc')));
});

/** A message's fields, in wire order: number and value (varint, bytes, or float and double). */
function fieldsOf(message: Buffer): [field: number, value: number | Buffer][] {
  const fields: [number, number | Buffer][] = [];
  let at = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++];
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const field = tag >> 3;
    if ((tag & 7) === 0) fields.push([field, varint()]);
    else if ((tag & 7) === 1) {
      fields.push([field, message.readDoubleLE(at)]);
      at += 8;
    } else if ((tag & 7) === 5) {
      fields.push([field, message.readFloatLE(at)]);
      at += 4;
    } else {
      const length = varint();
      fields.push([field, message.subarray(at, at + length)]);
      at += length;
    }
  }
  return fields;
}

const get = (message: Buffer, field: number) => fieldsOf(message).find(([number]) => number === field)?.[1];

test('events hold version, session start, scalars and images under the field numbers of event.proto', async () => {
  const dir = mkdtempSync(path.join(tmpdir(), 'vnet-events-'));
  try {
    const writer = await TensorBoardWriter.create(dir, 300);
    writer.scalars(301, { loss: 0.5, 'lr/now': 0.25 });
    writer.image(302, 'sample', { width: 7, height: 5 }, Buffer.alloc(1000, 9));
    await writer.flush();
    const bytes = readFileSync(writer.file);
    const events: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const length = Number(bytes.readBigUInt64LE(at));
      const data = bytes.subarray(at + 12, at + 12 + length);
      assert.equal(bytes.readUInt32LE(at + 8), maskedCrc(bytes.subarray(at, at + 8)));
      assert.equal(bytes.readUInt32LE(at + 12 + length), maskedCrc(data));
      events.push(data);
      at += 16 + length;
    }
    assert.equal(events.length, 4);
    const now = get(events[0], 1) as number;
    assert.ok(Math.abs(now - Date.now() / 1000) < 60);
    assert.equal(String(get(events[0], 3)), 'brain.Event:2');
    assert.equal(get(events[1], 2), 300);
    assert.equal(get(get(events[1], 7) as Buffer, 1), 1);
    assert.equal(get(events[2], 2), 301);
    const values = fieldsOf(get(events[2], 5) as Buffer).map(([, value]) => value as Buffer);
    assert.deepEqual(
      values.map((value) => [String(get(value, 1)), get(value, 2)]),
      [
        ['loss', 0.5],
        ['lr/now', 0.25],
      ],
    );
    const image = get(get(get(events[3], 5) as Buffer, 1) as Buffer, 4) as Buffer;
    assert.deepEqual([get(image, 1), get(image, 2), get(image, 3)], [5, 7, 3]);
    assert.equal((get(image, 4) as Buffer).length, 1000);
  } finally {
    rmSync(dir, { recursive: true });
  }
});
