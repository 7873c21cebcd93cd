import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { checkDataset } from '../../src/data/check.js';
import { openDataset } from '../../src/data/datasets.js';
import { upright } from '../../src/data/exif.js';
import { fingerprint } from '../../src/data/fingerprint.js';
import { readImage, readImageSize } from '../../src/data/image.js';
import { readSample } from '../../src/data/read-sample.js';
import { Rng } from '../../src/data/rng.js';
import { checkUsable, type Use } from '../../src/data/trainable.js';
import { UserError } from '../../src/errors.js';
import { colour, grey, rejects, temporary } from './helpers.js';
import { encodePng } from './png-writer.js';

type Value = number | ((x: number, y: number) => number);

/** A folder data set of 40×48 pictures; `spoil` changes it. */
async function set(
  spoil: (at: (...parts: string[]) => string) => unknown = () => undefined,
  { train = 6, val = 10, names = ['bg', 'a', 'b'], value = ((x) => x % 3) as Value } = {},
): Promise<string> {
  const root = temporary();
  // The pictures are all alike.
  const one = temporary();
  await colour(path.join(one, 'f.jpg'), 48, 40);
  await grey(path.join(one, 'f.png'), 48, 40, value);
  for (const [split, count] of [
    ['train', train],
    ['val', val],
  ] as const) {
    for (const [kind, ending] of [
      ['images', 'jpg'],
      ['labels', 'png'],
    ]) {
      mkdirSync(path.join(root, kind, split), { recursive: true });
      for (let i = 0; i < count; i++)
        copyFileSync(path.join(one, `f.${ending}`), path.join(root, kind, split, `f${i}.${ending}`));
    }
  }
  writeFileSync(path.join(root, 'classes.json'), JSON.stringify({ names }));
  await spoil((...parts) => path.join(root, ...parts));
  return root;
}

/** What the check says and what a training does, which must agree. @param workers threads, which take half a second to start. */
async function both(
  root: string,
  use: Use = {},
  workers = 0,
): Promise<{ fatal: boolean; text: string; warnings: string }> {
  const whole = { train: 'train', val: 'val', batch: 4, ...use };
  const { fatal, problems } = await checkDataset(root, { ...whole, workers });
  const warnings: string[] = [];
  let refused: unknown;
  try {
    const dataset = await openDataset(root, { split: 'train' });
    await checkUsable(dataset, whole, (message) => warnings.push(message), workers);
    for (const split of ['train', 'val']) {
      for (const sample of dataset.splits.includes(split) ? dataset.samples(split) : [])
        await readSample(dataset, sample);
    }
  } catch (error) {
    refused = error;
  }
  assert.ok(refused === undefined || refused instanceof UserError, `${refused}`);
  const text = problems.map(({ message }) => message).join('\n');
  assert.equal(fatal, refused !== undefined, `check: ${text}; training: ${refused}`);
  return { fatal, text, warnings: warnings.join('\n') };
}

test('a good data set has no problems', async () => {
  assert.deepEqual(await both(await set(), {}, 1), { fatal: false, text: '', warnings: '' });
});

test('the check refuses what training refuses, with the same words', async () => {
  const bad: [RegExp, Parameters<typeof set>[0], Parameters<typeof set>[1]?, Use?][] = [
    [/fewer than a batch of 4/, undefined, { train: 3 }],
    [/fewer than 2 batches of 4/, undefined, {}, { accumulate: 2 }],
    [
      /no label file was found.*f0\.png in .*labels.train.*f0_x\.png.*name each like its image/,
      (at) => {
        rmSync(at('labels', 'train'), { recursive: true });
        return grey(at('labels', 'train', 'f0_x.png'), 48, 40, 0);
      },
    ],
    [
      /f0\.json; convert them to label images first/,
      (at) => {
        rmSync(at('labels', 'train'), { recursive: true });
        mkdirSync(at('labels', 'train'));
        writeFileSync(at('labels', 'train', 'f0.json'), '{}');
      },
    ],
    [/f2\.jpg: has no labels, expected .*f2\.png \(1 of 6/, (at) => rmSync(at('labels', 'train', 'f2.png'))],
    [
      /no label file was found for any of the 10 images of split 'val'/,
      (at) => rmSync(at('labels', 'val'), { recursive: true }),
    ],
    [
      /labels are 41×49 but the image f1\.jpg is 40×48/,
      (at) => grey(at('labels', 'train', 'f1.png'), 49, 41, 0),
    ],
    [/f3\.png: label value 7/, (at) => grey(at('labels', 'val', 'f3.png'), 48, 40, 7)],
    [/f0\.jpg: cannot be decoded/, (at) => writeFileSync(at('images', 'train', 'f0.jpg'), 'x')],
    [/single class, "bg"/, undefined, { names: ['bg'], value: 0 }],
    [
      /all labels are 0 or 255; write "mapping"/,
      undefined,
      { names: ['bg', 'fg'], value: (x: number) => 255 * (x % 2) },
    ],
    [/every pixel of split 'train' is ignored/, undefined, { value: 255 }],
    [
      /z\.jpg: is 20×40, but the network needs at least 32×32/,
      async (at) => {
        await colour(at('images', 'val', 'z.jpg'), 40, 20);
        await grey(at('labels', 'val', 'z.png'), 40, 20, 0);
      },
      {},
      { size: { crop: [64, 64] } },
    ],
    [
      /f9\.jpg: is 64×64, but .*f0\.jpg is 40×48; training needs one size/,
      async (at) => {
        await colour(at('images', 'train', 'f9.jpg'), 64, 64);
        await grey(at('labels', 'train', 'f9.png'), 64, 64, 0);
      },
    ],
    [/has no split 'train'/, (at) => rmSync(at('images', 'train'), { recursive: true })],
  ];
  for (const [i, [pattern, spoil, options, use]] of bad.entries()) {
    const root = await set(spoil, options);
    if (pattern.source.includes("no split 'train'")) {
      assert.equal((await checkDataset(root, { workers: 0 })).fatal, true);
      await rejects(() => openDataset(root, { split: 'train' }), pattern);
      continue;
    }
    const { fatal, text } = await both(root, use, i % 5 === 0 ? 1 : 0);
    assert.ok(fatal, `${pattern}: ${text}`);
    assert.match(text, pattern);
  }
});

test('what trains, but badly, is a warning', async () => {
  const odd: [RegExp, Parameters<typeof set>[0], Parameters<typeof set>[1]?, Use?][] = [
    [/split 'val' has only 3 images/, undefined, { val: 3 }],
    [/no pixel of split 'train' is "b" \(6 images\)/, undefined, { value: (x: number) => x % 2 }],
    [/is "a", "b" \(only "bg" has/, undefined, { value: 0 }],
    [/has no split 'val'.*no validation/, (at) => rmSync(at('images', 'val'), { recursive: true })],
    [/f0\.jpg: is 40×48, smaller than the crop of 64×64/, undefined, {}, { size: { crop: [64, 64] } }],
  ];
  for (const [pattern, spoil, options, use] of odd) {
    const { fatal, text } = await both(await set(spoil, options), use);
    assert.ok(!fatal, text);
    assert.match(text, pattern);
  }
});

test('train ids in files called labelIds are refused, sparse labelIds are not', async () => {
  const build = async (value: (x: number, y: number) => number) => {
    const root = temporary();
    for (const split of ['train', 'val']) {
      for (let i = 0; i < 10; i++) {
        const id = `ulm_00000${i}_000000`;
        await colour(path.join(root, 'leftImg8bit', split, 'ulm', `${id}_leftImg8bit.png`), 48, 40);
        await grey(path.join(root, 'gtFine', split, 'ulm', `${id}_gtFine_labelIds.png`), 48, 40, value);
      }
    }
    return both(root);
  };
  assert.match((await build((x) => [0, 1, 13, 255][x % 4])).text, /is named labelIds but holds train ids/);
  assert.match((await build((x) => [0, 1, 2][x % 3])).text, /hold no value from 19 to 33/);
  assert.equal((await build((x) => [7, 8, 11, 4][x % 4])).fatal, false);
  assert.equal((await build((x) => [7, 23, 0][x % 3])).fatal, false);
});

test('EXIF orientation: labels turn as sharp turns pictures, for each of the eight', async () => {
  const rng = Rng.of(5);
  for (let orientation = 1; orientation <= 8; orientation++) {
    const [width, height] = [3 + rng.int(9), 3 + rng.int(9)];
    const data = Uint8Array.from({ length: width * height }, () => rng.int(256));
    const raw = { raw: { width, height, channels: 1 as const } };
    const stored = await sharp(data, raw).withMetadata({ orientation }).png().toBuffer();
    const { data: turned, info } = await sharp(stored)
      .rotate()
      .toColourspace('b-w')
      .raw()
      .toBuffer({ resolveWithObject: true });
    const found = upright({ width, height, data }, orientation);
    assert.deepEqual(
      [found.width, found.height, Buffer.from(found.data)],
      [info.width, info.height, turned],
      `orientation ${orientation}`,
    );
  }
});

test('EXIF orientation on the photo but not the label: compared, told, and chosen in classes.json', async () => {
  const build = async (orientation: number, upright: boolean, extra: object = {}) => {
    const stored = { width: 48, height: 40 };
    const value = (x: number, y: number) => (y < 20 ? 0 : x < 24 ? 1 : 2);
    const pixels = Buffer.from(
      Array.from({ length: 48 * 40 * 3 }, (_, i) => 80 * value(Math.floor(i / 3) % 48, Math.floor(i / 144))),
    );
    const photo = await sharp(pixels, { raw: { ...stored, channels: 3 } })
      .withMetadata({ orientation })
      .jpeg({ quality: 95 })
      .toBuffer();
    const root = await set(async (at) => {
      for (const split of ['train', 'val']) {
        for (let i = 0; i < (split === 'train' ? 6 : 10); i++) {
          writeFileSync(at('images', split, `f${i}.jpg`), photo);
          if (!upright) await grey(at('labels', split, `f${i}.png`), 48, 40, value);
          else await grey(at('labels', split, `f${i}.png`), 40, 48, 1);
        }
      }
      writeFileSync(at('classes.json'), JSON.stringify({ names: ['bg', 'a', 'b'], ...extra }));
    });
    const dataset = await openDataset(root);
    return { ...(await both(root)), sample: await readSample(dataset, dataset.samples('train')[0]) };
  };
  const turned = await build(6, false);
  assert.match(turned.text, /6 of 6 labels were drawn on the stored pixels/);
  const { image, labels } = turned.sample;
  assert.deepEqual([image.width, image.height, labels.width, labels.height], [40, 48, 40, 48]);
  // Bright where the label is 2: the two turned together.
  labels.data.forEach((value, i) => {
    assert.ok(
      Math.abs(image.data[3 * i] - 80 * value) < 60,
      `pixel ${i}: class ${value}, ${image.data[3 * i]}`,
    );
  });
  assert.equal((await build(6, true)).text.includes('stored'), false);
  const unclear = await build(3, false);
  assert.match(unclear.text, /EXIF orientation 3, and the labels fit it turned or not/);
  assert.equal(unclear.sample.labels.data[0], 0);
  assert.notEqual((await build(3, false, { orientation: 'stored' })).sample.labels.data[0], 0);
});

test('pictures that 8 bits would turn black are refused, and the message says what to do', async () => {
  const dir = temporary();
  const file = (name: string) => path.join(dir, name);
  const deep = (most: number) =>
    encodePng({ width: 9, height: 7, depth: 16, colour: 0, sample: (x) => Math.floor((x * most) / 8) });
  writeFileSync(file('12.png'), deep(4095));
  await rejects(() => readImage(file('12.png')), '12.png', 'no value above 4095', '12-bit');
  writeFileSync(file('16.png'), deep(65535));
  assert.equal((await readImage(file('16.png'))).data[24], 255);
  writeFileSync(file('0.png'), deep(0));
  assert.equal((await readImage(file('0.png'))).data[0], 0);
  writeFileSync(file('float.tif'), floatTiff(4, 4));
  for (const read of [readImage, readImageSize])
    await rejects(() => read(file('float.tif')), 'float.tif', 'floating-point');
});

/** A grey TIFF of 32-bit floats from 0 to 1, by hand. */
function floatTiff(width: number, height: number): Buffer {
  const pixels = Buffer.from(
    Float32Array.from({ length: width * height }, (_, i) => i / (width * height)).buffer,
  );
  const tags: [tag: number, type: number, value: number][] = [
    [256, 4, width],
    [257, 4, height],
    [258, 3, 32],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 4, height],
    [279, 4, pixels.length],
    [339, 3, 3],
  ];
  const directory = Buffer.alloc(2 + 12 * tags.length + 4);
  directory.writeUInt16LE(tags.length, 0);
  for (const [i, [tag, type, value]] of tags.entries()) {
    directory.writeUInt16LE(tag, 2 + 12 * i);
    directory.writeUInt16LE(type, 4 + 12 * i);
    directory.writeUInt32LE(1, 6 + 12 * i);
    directory.writeUInt32LE(value, 10 + 12 * i);
  }
  const header = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(8 + pixels.length, 4);
  return Buffer.concat([header, pixels, directory]);
}

test('bitmaps of every kind, both ways up', async () => {
  const dir = temporary();
  const file = path.join(dir, 'a.bmp');
  const rng = Rng.of(11);
  for (const bits of [1, 4, 8, 16, 24, 32]) {
    for (const upward of [true, false]) {
      const [width, height] = [1 + rng.int(20), 1 + rng.int(9)];
      const pixel = () =>
        Math.floor(rng.next() * 2 ** Math.min(bits, 24)) % (bits === 16 ? 2 ** 15 : 2 ** 31);
      const values = Array.from({ length: width * height }, pixel);
      const palette = Array.from({ length: bits <= 8 ? 1 << bits : 0 }, () => [
        rng.int(256),
        rng.int(256),
        rng.int(256),
      ]);
      writeFileSync(file, bitmap(width, height, bits, upward, palette, values));
      const image = await readImage(file);
      assert.deepEqual(await readImageSize(file), { height, width });
      const expected = values.flatMap((value) => {
        if (bits <= 8) return palette[value];
        if (bits === 16) return [10, 5, 0].map((shift) => Math.floor((((value >> shift) & 31) * 255) / 31));
        return [16, 8, 0].map((shift) => (value >> shift) & 255);
      });
      assert.deepEqual([...image.data], expected, `${bits} bits, ${upward ? 'upward' : 'downward'}`);
    }
  }
});

function bitmap(
  width: number,
  height: number,
  bits: number,
  upward: boolean,
  palette: number[][],
  values: number[],
): Buffer {
  const stride = 4 * Math.ceil((width * bits) / 32);
  const start = 54 + 4 * palette.length;
  const out = Buffer.alloc(start + stride * height);
  out.write('BM', 0, 'latin1');
  out.writeUInt32LE(out.length, 2);
  out.writeUInt32LE(start, 10);
  out.writeUInt32LE(40, 14);
  out.writeInt32LE(width, 18);
  out.writeInt32LE(upward ? height : -height, 22);
  out.writeUInt16LE(1, 26);
  out.writeUInt16LE(bits, 28);
  for (const [i, [r, g, b]] of palette.entries()) out.set([b, g, r, 0], 54 + 4 * i);
  for (let y = 0; y < height; y++) {
    const row = start + stride * (upward ? height - 1 - y : y);
    for (let x = 0; x < width; x++) {
      const value = values[y * width + x];
      if (bits <= 8) out[row + ((x * bits) >> 3)] |= value << (8 - bits - ((x * bits) & 7));
      else out.writeUIntLE(value, row + (x * bits) / 8, bits === 32 ? 4 : bits / 8);
    }
  }
  return out;
}

test('a fingerprint tells other images, labels and classes apart, wherever the folder lies', async () => {
  const first = await fingerprint(await openDataset(await set()), 'train');
  assert.equal(await fingerprint(await openDataset(await set()), 'train'), first);
  for (const change of [
    (at: (...parts: string[]) => string) => colour(at('images', 'train', 'f0.jpg'), 48, 40, [1, 250, 3]),
    (at: (...parts: string[]) => string) => writeFileSync(at('classes.json'), '{"names": ["bg", "b", "a"]}'),
    (at: (...parts: string[]) => string) => rmSync(at('images', 'train', 'f5.jpg')),
  ]) {
    assert.notEqual(await fingerprint(await openDataset(await set(change)), 'train'), first);
  }
});
