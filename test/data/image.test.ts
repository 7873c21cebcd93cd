import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { encode } from 'fast-png';
import sharp from 'sharp';
import { parseClasses, readClasses } from '../../src/data/classes.js';
import {
  overlay,
  readImage,
  writeColourPng,
  writeInstancePng,
  writeLabelPng,
  writeRgbPng,
} from '../../src/data/image.js';
import { readInstances, readLabels } from '../../src/data/label-image.js';
import { camvidClasses } from '../../src/data/layouts/camvid.js';
import { cityscapesClasses } from '../../src/data/layouts/cityscapes.js';
import { Rng } from '../../src/data/rng.js';
import { UserError } from '../../src/errors.js';
import { colour, grey, rejects, temporary } from './helpers.js';
import { encodePng } from './png-writer.js';

const dir = temporary();
const file = (name: string) => path.join(dir, name);

test('colour images survive a round trip, and the temporary file is gone', async () => {
  const data = Uint8Array.from({ length: 5 * 7 * 3 }, (_, i) => (i * 37) & 255);
  await writeRgbPng(file('rgb.png'), { width: 7, height: 5, data });
  assert.deepEqual(await readImage(file('rgb.png')), { width: 7, height: 5, data });
  assert.deepEqual(
    readdirSync(dir).filter((name) => name.endsWith('.tmp')),
    [],
  );
});

test('grey, alpha and 16-bit images become 8-bit RGB', async () => {
  await grey(file('grey.png'), 3, 2, 77);
  assert.deepEqual((await readImage(file('grey.png'))).data, new Uint8Array(18).fill(77));
  await sharp({
    create: { width: 2, height: 2, channels: 4, background: { r: 10, g: 20, b: 30, alpha: 0.5 } },
  })
    .png()
    .toFile(file('alpha.png'));
  assert.deepEqual([...(await readImage(file('alpha.png'))).data.slice(0, 3)], [10, 20, 30]);
  const deep = encode({
    width: 2,
    height: 2,
    depth: 16,
    channels: 3,
    data: new Uint16Array(12).fill(0x8040),
  });
  writeFileSync(file('deep.png'), deep);
  assert.deepEqual((await readImage(file('deep.png'))).data, new Uint8Array(12).fill(0x80));
});

test('EXIF orientation is applied', async () => {
  await sharp({ create: { width: 6, height: 4, channels: 3, background: 'red' } })
    .withMetadata({ orientation: 6 })
    .jpeg()
    .toFile(file('turned.jpg'));
  const image = await readImage(file('turned.jpg'));
  assert.deepEqual([image.width, image.height], [4, 6]);
});

test('labels survive a round trip as 8-bit grey, instances as 16-bit', async () => {
  const data = Uint8Array.from({ length: 12 }, (_, i) => (i === 5 ? 255 : i));
  await writeLabelPng(file('labels.png'), { width: 4, height: 3, data });
  const { channels, depth } = await sharp(file('labels.png')).metadata();
  assert.deepEqual([channels, depth], [1, 'uchar']);
  assert.deepEqual(await readLabels(file('labels.png')), { width: 4, height: 3, data, reading: 'values' });
  const ids = Uint16Array.from([7, 26001, 65535, 24000]);
  await writeInstancePng(file('instances.png'), { width: 2, height: 2, data: ids });
  assert.deepEqual(await readInstances(file('instances.png')), { width: 2, height: 2, data: ids });
  await rejects(() => readLabels(file('instances.png')), file('instances.png'), '16-bit', 'instanceIds');
});

test('a palette PNG gives its indices at every bit depth, never its colours', async () => {
  for (const depth of [1, 2, 4, 8] as const) {
    const [width, height] = [5, 3];
    const index = (x: number, y: number) => (x + 2 * y) % Math.min(1 << depth, 200);
    writeFileSync(file(`palette${depth}.png`), indexedPng(width, height, depth, index));
    const labels = await readLabels(file(`palette${depth}.png`));
    const expected = Uint8Array.from({ length: 15 }, (_, i) => index(i % width, Math.floor(i / width)));
    assert.deepEqual(labels.data, expected, `depth ${depth}`);
  }
});

test('colour-coded labels need class colours', async () => {
  const { colours } = cityscapesClasses;
  const data = Uint8Array.from([0, 13, 255, 18]);
  await writeColourPng(file('coded.png'), { width: 2, height: 2, data }, colours);
  assert.deepEqual(await readLabels(file('coded.png'), { colours }), {
    width: 2,
    height: 2,
    data,
    reading: 'colours',
  });
  await rejects(() => readLabels(file('coded.png')), file('coded.png'), 'colour image');
  await rejects(
    () => readLabels(file('coded.png'), { colours: camvidClasses.colours }),
    /colour \(\d+, \d+, \d+\) is no class/,
  );
});

test('missing, empty, truncated and foreign files are named', async () => {
  const good = readFileSync(await made('whole.png'));
  writeFileSync(file('empty.png'), '');
  writeFileSync(file('cut.png'), good.subarray(0, good.length >> 1));
  writeFileSync(file('text.png'), 'this is no picture');
  for (const read of [readImage, readLabels]) {
    await rejects(() => read(file('absent.png')), file('absent.png'), 'no such file');
    await rejects(() => read(file('empty.png')), file('empty.png'), 'empty');
    await rejects(() => read(file('cut.png')), file('cut.png'), 'cannot be decoded');
    await rejects(() => read(file('text.png')), file('text.png'));
    await rejects(() => read(dir), dir, 'it is a folder');
  }
  await rejects(
    () => writeLabelPng(file('whole.png/x.png'), { width: 1, height: 1, data: new Uint8Array(1) }),
    'x.png',
  );
});

test('overlay blends classes and leaves ignored pixels', () => {
  const image = { width: 2, height: 1, data: Uint8Array.from([100, 100, 100, 50, 60, 70]) };
  const out = overlay(image, { width: 2, height: 1, data: Uint8Array.from([0, 255]) }, [[200, 0, 100]], 0.5);
  assert.deepEqual([...out.data], [150, 50, 100, 50, 60, 70]);
});

test('classes.json: what is accepted, and what each mistake says', async () => {
  const table = parseClasses({ names: ['a', 'b'], ignore: [0], mapping: { 7: 1, 9: 0 } }, 'c.json');
  assert.deepEqual(
    [table.mapping[7], table.mapping[9], table.mapping[0], table.known[0], table.known[8]],
    [1, 0, 255, 1, 0],
  );
  assert.deepEqual(table.toRaw, [9, 7]);
  assert.equal(
    new Set(parseClasses({ names: Array.from({ length: 60 }, (_, i) => `c${i}`) }, 'f').colours.map(String))
      .size,
    60,
  );
  const bad = (json: unknown, ...patterns: (string | RegExp)[]) =>
    rejects(() => parseClasses(json, 'c.json'), 'c.json', ...patterns);
  await bad({}, '"names"');
  await bad({ names: [] }, '"names"');
  await bad({ names: ['a', 'a'] }, 'twice');
  await bad({ names: ['a'], colours: [[0, 0, 300]] }, '"colours.0.2"');
  await bad({ names: ['a'], colours: [] }, 'has 0 entries but "names" has 1');
  await bad({ names: ['a'], ignore: 0 }, 'value 0 is both class "a"');
  await bad({ names: ['a'], mapping: { 3: 1 } }, 'sends 3 to class 1');
  await bad({ names: ['a'], mapping: { 300: 0 } }, 'raw value 300');
  await bad({ names: ['a'], mapping: { x: 0 } }, '"mapping.x"');
  await bad({ names: ['a'], color: [] }, 'color');
  writeFileSync(file('broken.json'), '{"names": [');
  await rejects(() => readClasses(file('broken.json')), file('broken.json'), 'not valid JSON');
});

test('randomly damaged PNG and JSON files give a result or a UserError, never anything else', async () => {
  const sources = [readFileSync(await made('whole.png')), indexedPng(9, 9, 8, (x) => x)];
  await colour(file('photo.jpg'), 20, 20);
  sources.push(readFileSync(file('photo.jpg')));
  const json = Buffer.from(
    '{"names":["a","b"],"colours":[[1,2,3],[4,5,6]],"ignore":[255],"mapping":{"7":0,"8":1}}',
  );
  const rng = Rng.of(99);
  let errors = 0;
  for (let round = 0; round < 400; round++) {
    const text = round % 4 === 3;
    const bytes = Buffer.from(text ? json : sources[round % sources.length]);
    for (let i = 1 + rng.int(4); i > 0; i--) bytes[rng.int(bytes.length)] = rng.int(256);
    const cut = rng.chance(0.3) ? bytes.subarray(0, rng.int(bytes.length)) : bytes;
    writeFileSync(file('damaged'), cut);
    for (const read of text ? [readClasses] : [readImage, readLabels, readInstances]) {
      try {
        await read(file('damaged'));
      } catch (error) {
        errors++;
        assert.ok(error instanceof UserError, `round ${round}: ${(error as Error).stack}`);
        assert.ok(error.message.includes(file('damaged')) && !error.message.includes('\n'), error.message);
      }
    }
  }
  assert.ok(errors > 100, `only ${errors} of the damaged files were refused`);
});

async function made(name: string): Promise<string> {
  await grey(file(name), 40, 30, (x, y) => (x * 7 + y * 13) & 255);
  return file(name);
}

/** A PNG of colour type 3 built by hand: the oracle must not be the decoder's own library. */
function indexedPng(
  width: number,
  height: number,
  depth: 1 | 2 | 4 | 8,
  index: (x: number, y: number) => number,
): Buffer {
  const palette = Uint8Array.from({ length: 3 << depth }, (_, i) => 255 - (i & 255));
  return encodePng({ width, height, depth, colour: 3, palette, sample: index });
}
