import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { decode } from 'fast-png';
import { decodePlainPng } from '../../src/data/png.js';
import { Rng } from '../../src/data/rng.js';

const seed = Number(process.env.SEED ?? Date.now() % 100000);

function chunk(type: string, data: Uint8Array): Buffer {
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

/** Random bytes as filtered rows: every filter, with any difference; the decoder decides what they mean. */
function randomPng(rng: Rng, width: number, height: number, colour: 0 | 2 | 3): Buffer {
  const stride = width * (colour === 2 ? 3 : 1);
  const rows = new Uint8Array((stride + 1) * height);
  for (let i = 0; i < rows.length; i++) rows[i] = i % (stride + 1) === 0 ? rng.int(5) : rng.int(256);
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, colour], 8);
  const packed = deflateSync(rows);
  const cut = rng.int(packed.length);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    ...(colour === 3 ? [chunk('PLTE', new Uint8Array(768))] : []),
    chunk('IDAT', packed.subarray(0, cut)),
    chunk('IDAT', packed.subarray(cut)),
    chunk('IEND', new Uint8Array()),
  ]);
}

test('random rows of every filter decode as by another decoder', async () => {
  const rng = Rng.of(seed);
  for (let round = 0; round < 60; round++) {
    const colour = rng.pick([0, 2, 3] as const);
    // The last ones are large enough to be streamed.
    const [width, height] = round < 57 ? [1 + rng.int(40), 1 + rng.int(20)] : [1100, 1000 + rng.int(50)];
    const png = randomPng(rng, width, height, colour);
    const into = { width, height, data: new Uint8Array(width * height * (colour === 2 ? 3 : 1)).fill(7) };
    const found = await decodePlainPng(png, colour === 2 ? 3 : 1, rng.chance(0.5) ? into : undefined);
    const expected = decode(png);
    assert.deepEqual([found?.width, found?.height], [width, height]);
    assert.ok(
      Buffer.compare(found!.data, expected.data as Uint8Array) === 0,
      `seed ${seed}, round ${round}: ${width}×${height}, colour type ${colour}`,
    );
  }
});

test('the other kind of channels is left to others; memory of another size is not used', async () => {
  const rng = Rng.of(seed);
  const png = randomPng(rng, 5, 4, 2);
  assert.equal(await decodePlainPng(png, 1), undefined);
  const into = { width: 4, height: 5, data: new Uint8Array(60) };
  const found = await decodePlainPng(png, 3, into);
  assert.equal(found?.data.length, 60);
  assert.notEqual(found?.data, into.data);
  assert.ok(into.data.every((value) => value === 0));
});

test('a damaged file is never accepted with other pixels', async () => {
  const rng = Rng.of(seed);
  for (const [rounds, width, height] of [
    [300, 9, 7],
    [4, 1100, 1000],
  ]) {
    const png = randomPng(rng, width, height, 2);
    const good = (await decodePlainPng(png, 3))!;
    for (let round = 0; round < rounds; round++) {
      const bad = Buffer.from(png);
      for (let i = rng.int(3); i >= 0; i--) bad[rng.int(bad.length)] ^= 1 << rng.int(8);
      const cut = rng.chance(0.2) ? bad.subarray(0, rng.int(bad.length)) : bad;
      const found = await decodePlainPng(cut, 3);
      // A flip in the checksum of compressed data changes no pixel.
      if (found) assert.deepEqual(found, good, `seed ${seed}, round ${round}`);
    }
  }
});
