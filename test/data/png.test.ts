import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { decode } from 'fast-png';
import { crc32, crc32ByTable } from '../../src/data/crc32.js';
import { readImage } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { decodePlainPng, decodePng, readPngHeader } from '../../src/data/png.js';
import { Rng } from '../../src/data/rng.js';
import { rejects, temporary } from './helpers.js';
import { channelsOf, encodePng, type PngParts } from './png-writer.js';

const seed = Number(process.env.SEED ?? Date.now() % 100000);
const most = 2 ** 28;

/** Random samples of a random kind, rows filtered in every way. */
function random(rng: Rng, kind: Partial<PngParts> = {}): PngParts {
  const colour = kind.colour ?? rng.pick([0, 2, 3, 4, 6] as const);
  const depth =
    kind.depth ?? rng.pick(colour === 0 ? [1, 2, 4, 8, 16] : colour === 3 ? [1, 2, 4, 8] : [8, 16]);
  const [width, height] = [1 + rng.int(40), 1 + rng.int(20)];
  const salt = rng.int(1 << 30);
  return {
    width,
    height,
    colour,
    depth: depth as PngParts['depth'],
    interlaced: rng.chance(0.5),
    palette: colour === 3 ? new Uint8Array(3 << depth) : undefined,
    filter: (row) => (row * 7 + salt) % 5,
    sample: (x, y, c) => (Math.imul(x * 73 + y * 179 + c * 283 + salt, 2654435761) >>> 8) % 2 ** depth,
    ...kind,
  };
}

function samplesOf({ width, height, colour, sample }: PngParts): number[] {
  const channels = channelsOf[colour];
  return Array.from({ length: width * height * channels }, (_, i) => {
    const pixel = Math.floor(i / channels);
    return sample(pixel % width, Math.floor(pixel / width), i % channels);
  });
}

test('every kind of PNG decodes to the samples it was made of', async () => {
  const rng = Rng.of(seed);
  for (let round = 0; round < 300; round++) {
    const parts = random(rng);
    const header = readPngHeader(encodePng(parts));
    const found = await decodePng(header);
    const name = `seed ${seed}, round ${round}: ${JSON.stringify(parts)}`;
    assert.deepEqual([found.width, found.height], [parts.width, parts.height], name);
    assert.deepEqual([...found.data], samplesOf(parts), name);
  }
});

test('large PNGs, which are decompressed in pieces, decode as by another decoder', async () => {
  const rng = Rng.of(seed);
  for (const colour of [0, 2] as const) {
    const parts = random(rng, {
      colour,
      depth: 8,
      interlaced: false,
      width: 1100,
      height: 1000 + rng.int(50),
    });
    const png = encodePng(parts);
    const expected = decode(png).data as Uint8Array;
    const found = colour === 2 ? await decodePlainPng(png, most) : await decodePng(readPngHeader(png));
    assert.ok(Buffer.compare(found!.data as Uint8Array, expected) === 0, `seed ${seed}`);
  }
});

test('pixels go where they are wanted if they fit; only plain colour pictures are decoded quickly', async () => {
  const rng = Rng.of(seed);
  const plain = { colour: 2, depth: 8, interlaced: false } as const;
  const png = encodePng(random(rng, { ...plain, width: 5, height: 4 }));
  const fitting = { width: 5, height: 4, data: new Uint8Array(60) };
  assert.equal(await decodePlainPng(png, most, fitting), fitting);
  const other = { width: 4, height: 5, data: new Uint8Array(60) };
  const found = await decodePlainPng(png, most, other);
  assert.deepEqual(found, fitting);
  assert.ok(other.data.every((value) => value === 0));
  assert.equal(await decodePlainPng(png, 19), undefined);
  for (const kind of [{ colour: 0 }, { depth: 16 }, { interlaced: true }] as Partial<PngParts>[]) {
    const parts = random(rng, { ...plain, ...kind });
    assert.equal(await decodePlainPng(encodePng(parts), most), undefined, JSON.stringify(parts));
  }
});

test('a file with flipped bits or cut off is never accepted', async () => {
  const rng = Rng.of(seed);
  for (const [rounds, width, height] of [
    [300, 9, 7],
    [4, 1100, 1000],
  ]) {
    const png = encodePng(random(rng, { colour: 2, depth: 8, interlaced: false, width, height }));
    assert.ok(await decodePlainPng(png, most));
    for (let round = 0; round < rounds; round++) {
      const bad = Buffer.from(png);
      for (let i = rng.int(3); i >= 0; i--) bad[rng.int(bad.length)] ^= 1 << rng.int(8);
      const cut = rng.chance(0.2) ? bad.subarray(0, rng.int(bad.length)) : bad;
      if (cut.equals(png)) continue;
      assert.equal(await decodePlainPng(cut, most), undefined, `seed ${seed}, round ${round}`);
    }
  }
});

test('pixels whose CRC-32 is wrong are refused by pictures and labels, whichever decoder reads them', async () => {
  const dir = temporary();
  for (const colour of [2, 0] as const) {
    const png = encodePng(random(Rng.of(seed), { colour, depth: 8, interlaced: false }));
    // The last chunk but IEND is IDAT: its checksum is all that is wrong.
    png[png.length - 13] ^= 1;
    const file = path.join(dir, `${colour}.png`);
    writeFileSync(file, png);
    await rejects(() => readImage(file), file, 'cannot be decoded');
    if (colour === 0) await rejects(() => readLabels(file), file, 'checksum of part "IDAT" is wrong');
  }
});

test('CRC-32 by the table is that of the published check, and of zlib', () => {
  const rng = Rng.of(seed);
  const bytes = Buffer.from(Array.from({ length: 1000 }, () => rng.int(256)));
  for (const sum of [crc32, crc32ByTable]) {
    assert.equal(sum(Buffer.from('123456789')), 0xcbf43926);
    // A gzip file ends with the checksum and the length of what it holds.
    assert.equal(sum(bytes), gzipSync(bytes).subarray(-8).readUInt32LE(), `seed ${seed}`);
  }
});

test('a size that so few bytes cannot hold is refused before memory is spent on it', () => {
  const rng = Rng.of(seed);
  for (const interlaced of [false, true]) {
    const bomb = encodePng(random(rng, { colour: 0, depth: 8, interlaced }));
    bomb.writeUInt32BE(60000, 16);
    bomb.writeUInt32BE(60000, 20);
    // With a header whose checksum is right, as a hostile file has it.
    const header = encodePng({ ...random(rng, { colour: 0, depth: 8 }), width: 1, height: 1 });
    header.writeUInt32BE(60000, 16);
    header.writeUInt32BE(60000, 20);
    for (const bytes of [bomb, header]) assert.throws(() => readPngHeader(bytes), /checksum|more than its/);
  }
});
