import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import sharp from 'sharp';
import tar from 'tar-stream';
import { convertAnnotations } from '../../src/data/annotations/convert.js';
import { readClasses } from '../../src/data/classes.js';
import { crc32 } from '../../src/data/crc32.js';
import { encodeRgbPng, readImage, readImageSize } from '../../src/data/image.js';
import { readInstances, readLabels } from '../../src/data/label-image.js';
import { encodeRunLengths } from '../../src/data/rle.js';
import type { Rng } from '../../src/data/rng.js';
import { findSources } from '../../src/data/sources/find.js';
import { readCheckpoint } from '../../src/interop/checkpoint.js';
import { readModel } from '../../src/model/file.js';
import { readTraining, writeTraining } from '../../src/train/checkpoint.js';
import { damage, damageText } from '../damage.js';
import { encodePng } from '../data/png-writer.js';
import { pickle, writePth } from '../interop/writePth.js';

/**
 * A reader of files that others wrote, and what hostile files for it look like. Adding one is an entry in
 * {@link readers}.
 */
export interface Reader {
  readonly name: string;
  /** The ending that its files need. */
  readonly ending: string;
  /** A good file. */
  make(folder: string): Promise<Buffer>;
  /** A damaged or hostile one. Default: {@link damage}. */
  spoil?(good: Buffer, rng: Rng): Buffer;
  read(file: string): Promise<unknown>;
}

const [width, height] = [40, 33];
const pixels = (rng: (i: number) => number, channels: number) =>
  Buffer.from(Array.from({ length: width * height * channels }, (_, i) => rng(i) & 255));
const picture = () =>
  sharp(
    pixels((i) => i * 37, 3),
    { raw: { width, height, channels: 3 } },
  );

/** Sizes that a header may claim. */
const sizes = [0, 1, 39, 41, 4096, 60_000, 65_535, 2 ** 24, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1];

/** A PNG whose header claims another size, with the checksum that belongs to it. */
function pngOfSize(good: Buffer, rng: Rng): Buffer {
  const bytes = Buffer.from(good);
  bytes.writeUInt32BE(rng.pick(sizes), 16);
  if (rng.chance(0.7)) bytes.writeUInt32BE(rng.pick(sizes), 20);
  if (rng.chance(0.3)) bytes[24 + rng.int(5)] = rng.int(256);
  bytes.writeUInt32BE(crc32(bytes.subarray(12, 29)), 29);
  return bytes;
}

/** Numbers at a place replaced by those that headers lie with. */
function lie(good: Buffer, rng: Rng, places: readonly number[], bytes: 2 | 4): Buffer {
  const out = Buffer.from(good);
  for (const place of places) {
    const value = rng.pick(sizes);
    if (bytes === 2) out.writeUInt16BE(value & 0xffff, place);
    else out.writeUInt32LE(value >>> 0, place);
  }
  return out;
}

/** Damage in general, or a lie where the format has its sizes. */
const either = (special: (good: Buffer, rng: Rng) => Buffer) => (good: Buffer, rng: Rng) =>
  rng.chance(0.4) ? special(good, rng) : damage(good, rng);

/** Where the size stands in a JPEG: after its first start of frame. */
const jpegSize = (bytes: Buffer): number[] => {
  for (let at = 2; at < bytes.length - 9; at += 2 + bytes.readUInt16BE(at + 2)) {
    if ([0xc0, 0xc1, 0xc2].includes(bytes[at + 1])) return [at + 5, at + 7];
  }
  return [];
};

const labels = (kind: object = {}) =>
  encodePng({ width, height, depth: 8, colour: 0, sample: (x, y) => (x + y) % 3, ...kind });

const tensors = () => pickle(new Map([['a.weight', { shape: [2, 3], data: new Float32Array(6) }]]));

/** A safetensors file with that header. */
const withHeader = (header: string, length = header.length): Buffer => {
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(BigInt(length));
  return Buffer.concat([start, Buffer.from(header), Buffer.alloc(64)]);
};

const shippedModel = fileURLToPath(new URL('../../../models/vnet-camvid.safetensors', import.meta.url));

/** Damage, or another header or length of it. */
function spoilTensors(good: Buffer, rng: Rng): Buffer {
  if (rng.chance(0.4)) return damage(good, rng);
  const text = good.toString('latin1', 8, 8 + Number(good.readBigUInt64LE()));
  const length = rng.pick([text.length, 0, 2 ** 31, 2 ** 40, Number.MAX_SAFE_INTEGER]);
  return rng.chance(0.3) ? withHeader(text, length) : withHeader(damageText(text, rng).toString('latin1'));
}

const deepJson = '['.repeat(20_000);

/** The picture that annotations are of. */
const drawBlack = async (folder: string): Promise<void> =>
  writeFileSync(
    path.join(folder, 'a.png'),
    await encodeRgbPng({ width, height, data: new Uint8Array(3 * width * height) }),
  );

export const readers: readonly Reader[] = [
  ...(['png', 'jpeg', 'webp', 'tiff', 'gif'] as const).map(
    (format): Reader => ({
      name: `picture ${format}`,
      ending: `.${format}`,
      make: () => picture()[format]().toBuffer(),
      spoil:
        format === 'png'
          ? either(pngOfSize)
          : format === 'jpeg'
            ? either((good, rng) => lie(good, rng, jpegSize(good), 2))
            : either((good, rng) => lie(good, rng, [8 + 4 * rng.int(Math.floor(good.length / 4) - 3)], 4)),
      read: async (file) => [await readImageSize(file).catch(() => undefined), await readImage(file)],
    }),
  ),
  {
    name: 'picture bmp',
    ending: '.bmp',
    async make() {
      const header = Buffer.alloc(54);
      header.write('BM', 'latin1');
      for (const [place, value] of [
        [10, 54],
        [14, 40],
        [18, width],
        [22, height],
      ])
        header.writeUInt32LE(value, place);
      header.writeUInt16LE(24, 28);
      return Buffer.concat([header, Buffer.alloc(4 * Math.ceil((3 * width) / 4) * height, 7)]);
    },
    spoil: either((good, rng) => lie(good, rng, [rng.pick([10, 14, 18, 22, 30, 46])], 4)),
    read: readImage,
  },
  ...[
    {},
    { interlaced: true, depth: 2 },
    { colour: 3, palette: new Uint8Array(9) },
    { colour: 2 },
    { colour: 6 },
  ].map(
    (kind, i): Reader => ({
      name: `labels ${i + 1}`,
      ending: '.png',
      make: async () => labels(kind),
      spoil: either(pngOfSize),
      read: (file) =>
        readLabels(file, {
          colours: [
            [0, 0, 0],
            [1, 1, 1],
            [2, 2, 2],
          ],
          mapping: new Uint8Array(256),
        }),
    }),
  ),
  {
    name: 'instances',
    ending: '.png',
    make: async () => labels({ depth: 16 }),
    spoil: either(pngOfSize),
    read: readInstances,
  },
  {
    name: 'classes.json',
    ending: '.json',
    make: async () =>
      Buffer.from(
        '{"names":["road","car"],"colours":[[1,2,3],[4,5,6]],"ignore":[255],"mapping":{"7":0,"8":1}}',
      ),
    spoil: (good, rng) => (rng.chance(0.05) ? Buffer.from(deepJson) : damageText(good.toString(), rng)),
    read: readClasses,
  },
  {
    name: 'safetensors model',
    ending: '.safetensors',
    make: async () => readFileSync(shippedModel),
    spoil: spoilTensors,
    read: readModel,
  },
  {
    name: 'safetensors checkpoint',
    ending: '.safetensors',
    async make(folder) {
      const file = path.join(folder, 'last.safetensors');
      const { info } = await readModel(shippedModel);
      const tensors = new Map([['a.weight', { shape: [2, 3], data: new Float32Array(6) }]]);
      const progress = { epoch: 1, stepInEpoch: 0, step: 9, averageUpdates: 0, metricsBytes: 0 };
      await writeTraining(file, { info, weights: tensors, optimizer: new Map(), progress, recipe: {} });
      return readFileSync(file);
    },
    spoil: spoilTensors,
    read: readTraining,
  },
  {
    name: 'pth',
    ending: '.pth',
    make: async () =>
      Buffer.from(writePth(new Map([['a.weight', { shape: [2, 3], data: new Float32Array(6) }]]))),
    spoil(good, rng) {
      if (rng.chance(0.7)) return damage(good, rng);
      const { data, storages } = tensors();
      const bad = rng.chance(0.5)
        ? damage(Buffer.from(data), rng)
        : Buffer.concat([Buffer.from(data), Buffer.alloc(1 << 22)]);
      return Buffer.from(zipSync({ 'archive/data.pkl': bad, 'archive/data/0': storages[0] }));
    },
    read: async (file) => {
      const { readBytes } = await import('../../src/data/files.js');
      const found = readCheckpoint(await readBytes(file), file);
      for (const { tensors: all } of found.dictionaries)
        for (const { data } of all.values()) if (data.length < 0) return;
    },
  },
  {
    name: 'zip of pictures',
    ending: '.zip',
    make: async () => {
      const bomb = new Uint8Array(1 << 24);
      return Buffer.from(
        zipSync({
          'a.png': labels({ colour: 2 }),
          'b.png': bomb,
          'c/d.jpg': await picture().jpeg().toBuffer(),
        }),
      );
    },
    spoil: (good, rng) => damage(good, rng, good.length),
    read: readArchive,
  },
  {
    name: 'tar.gz of pictures',
    ending: '.tgz',
    make: () => packed(),
    spoil: (good, rng) =>
      rng.chance(0.2) ? gzipSync(damage(Buffer.alloc(4096, 65), rng)) : damage(good, rng, good.length),
    read: readArchive,
  },
  {
    name: 'COCO',
    ending: '.json',
    make: async (folder) => {
      await drawBlack(folder);
      return Buffer.from(
        JSON.stringify({
          images: [{ id: 1, file_name: 'a.png', height, width }],
          categories: [
            { id: 1, name: 'x' },
            { id: 2, name: 'y' },
          ],
          annotations: [
            { image_id: 1, category_id: 1, area: 9, segmentation: [[1, 1, 9, 1, 9, 9]] },
            {
              image_id: 1,
              category_id: 2,
              area: 3,
              segmentation: { size: [height, width], counts: encodeRunLengths([4, 6, width * height - 10]) },
            },
            {
              image_id: 1,
              category_id: 2,
              segmentation: { size: [height, width], counts: [5, 3, width * height - 8] },
            },
          ],
        }),
      );
    },
    spoil: (good, rng) => damageText(good.toString(), rng),
    read: convert,
  },
  {
    name: 'labelme',
    ending: '.json',
    make: async (folder) => {
      await drawBlack(folder);
      const mask = labels().toString('base64');
      return Buffer.from(
        JSON.stringify({
          shapes: [
            {
              label: 'x',
              points: [
                [1, 1],
                [9, 1],
                [9, 9],
              ],
              shape_type: 'polygon',
            },
            {
              label: 'y',
              points: [
                [3, 3],
                [5, 5],
              ],
              shape_type: 'mask',
              mask,
            },
            {
              label: 'y',
              points: [
                [3, 3],
                [5, 5],
              ],
              shape_type: 'circle',
            },
          ],
          ...{ imagePath: 'a.png', imageData: null, imageHeight: height, imageWidth: width },
        }),
      );
    },
    spoil: (good, rng) => damageText(good.toString(), rng),
    read: convert,
  },
];

async function readArchive(file: string): Promise<void> {
  const { sources, failures, close } = await findSources([file]);
  try {
    if (failures.length > 0) throw Object.assign(new Error(failures[0].error), { refused: true });
    for (const source of sources) await source.read();
  } finally {
    await close();
  }
}

async function packed(): Promise<Buffer> {
  const pack = tar.pack();
  pack.entry({ name: 'a.png' }, labels({ colour: 2 }));
  pack.entry({ name: 'b/c.jpg' }, await picture().jpeg().toBuffer());
  pack.finalize();
  const parts: Buffer[] = [];
  for await (const part of pack) parts.push(part as Buffer);
  return gzipSync(Buffer.concat(parts));
}

async function convert(file: string): Promise<void> {
  const out = path.join(path.dirname(file), `out${Math.random()}`);
  mkdirSync(out);
  const { failures } = await convertAnnotations(file, { out });
  if (failures.length > 0) throw Object.assign(new Error(failures[0]), { refused: true });
}
