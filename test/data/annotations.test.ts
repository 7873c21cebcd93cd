import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { convertAnnotations } from '../../src/data/annotations/convert.js';
import { fillRings } from '../../src/data/annotations/polygon.js';
import { openDataset } from '../../src/data/datasets.js';
import { readLabels } from '../../src/data/label-image.js';
import { readTrainIds } from '../../src/data/read-sample.js';
import { decodeRunLengths, encodeRunLengths, runLengths } from '../../src/data/rle.js';
import { Rng } from '../../src/data/rng.js';
import { colour, rejects, temporary } from './helpers.js';
import { encodePng } from './png-writer.js';
import { reference } from './pycocotools.js';

const seed = Number(process.env.SEED ?? Date.now() % 100000);

function paint(rings: number[][], height: number, width: number): Uint8Array {
  const data = new Uint8Array(height * width);
  fillRings(rings, { height, width }, (row, from, to) => data.fill(1, row * width + from, row * width + to));
  return data;
}

/** Whether a point is inside by the even-odd rule: crossings of the ray to the right. */
function inside(rings: number[][], x: number, y: number): boolean {
  let odd = false;
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      const j = (i + 2) % ring.length;
      const [x0, y0, x1, y1] = [ring[i], ring[i + 1], ring[j], ring[j + 1]];
      if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) odd = !odd;
    }
  }
  return odd;
}

test('run lengths: those of pycocotools, and back', () => {
  for (const { height, width, counts, mask } of reference) {
    const data = Uint8Array.from(mask.join(''), Number);
    assert.equal(encodeRunLengths(runLengths(data, height, width).get(1)!), counts);
    let value = 0;
    const columns = decodeRunLengths(counts).flatMap((run) => new Array<number>(run).fill(value++ % 2));
    data.forEach((pixel, i) => {
      assert.equal(columns[(i % width) * height + Math.floor(i / width)], pixel);
    });
  }
  for (const bad of ['~~', '\u0010', 'o', 'ooooooo1'])
    assert.throws(() => decodeRunLengths(bad), /run lengths/);
});

test('polygons: every pixel whose centre is inside, holes and crossings too', () => {
  const rng = Rng.of(seed);
  for (let round = 0; round < 200; round++) {
    const [height, width] = [1 + rng.int(30), 1 + rng.int(30)];
    const ring = () =>
      Array.from({ length: 2 * (3 + rng.int(7)) }, (_, i) => rng.next() * ((i % 2 ? height : width) + 8) - 4);
    const rings = rng.chance(0.5) ? [ring()] : [ring(), ring()];
    paint(rings, height, width).forEach((pixel, i) => {
      const expected = inside(rings, (i % width) + 0.5, Math.floor(i / width) + 0.5);
      assert.equal(pixel === 1, expected, `seed ${seed}, round ${round}, pixel ${i}`);
    });
  }
  assert.throws(() => paint([[0, 0, 1, 1]], 4, 4), /three corners/);
  const zigzag = Array.from({ length: 40_000 }, (_, i) => (i % 4 === 3 ? 1e4 : i % 2 ? 0 : i));
  assert.throws(() => paint([zigzag], 1e4, 4), /too many corners/);
});

test('polygons of pycocotools: the same but for pixels on the outline', () => {
  for (const { height, width, polygon, painted } of reference) {
    const theirs = Uint8Array.from(painted.join(''), Number);
    const ours = paint([polygon], height, width);
    ours.forEach((pixel, i) => {
      if (pixel === theirs[i]) return;
      const [x, y] = [(i % width) + 0.5, Math.floor(i / width) + 0.5];
      const near = polygon.some((_, k) => {
        if (k % 2) return false;
        const j = (k + 2) % polygon.length;
        const [ax, ay, bx, by] = [polygon[k], polygon[k + 1], polygon[j], polygon[j + 1]];
        const t = Math.max(
          0,
          Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)),
        );
        return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)) <= 1.1;
      });
      assert.ok(near, `pixel ${x}, ${y} is not on the outline`);
    });
  }
});

const [height, width] = [40, 50];

test('COCO: polygons, run lengths both ways, crowds, larger areas below, ids and names of any kind', async () => {
  const root = temporary();
  await colour(path.join(root, 'train', 'a.jpg'), width, height);
  const block = new Uint8Array(height * width);
  for (let y = 30; y < 36; y++) block.fill(1, y * width + 30, y * width + 40);
  const runs = runLengths(block, height, width).get(1)!;
  const square = (x: number, y: number, side: number) => [x, y, x + side, y, x + side, y + side, x, y + side];
  const annotation = (category: number, segmentation: unknown, area: number) => ({
    ...{ id: area, image_id: 7, category_id: category, segmentation, area, iscrowd: 0 },
  });
  const json = path.join(root, 'instances_train.json');
  writeFileSync(
    json,
    JSON.stringify({
      images: [
        { id: 7, file_name: 'a.jpg', height, width },
        { id: 8, file_name: '../../lost.jpg', height, width },
      ],
      categories: [
        { id: 18, name: 'dog' },
        { id: 90, name: 'tooth brush' },
      ],
      annotations: [
        annotation(90, [square(12, 12, 4)], 16),
        annotation(18, [square(10, 10, 10), square(0, 0, 2)], 104),
        annotation(18, { size: [height, width], counts: encodeRunLengths(runs) }, 60),
        annotation(90, { size: [height, width], counts: [5, 3, height * width - 8] }, 3),
      ],
    }),
  );
  const out = path.join(root, 'out');
  const found = await convertAnnotations(json, { out, split: 'train', images: path.join(root, 'train') });
  assert.deepEqual(found.classes, ['background', 'dog', 'tooth brush']);
  assert.deepEqual([found.images, found.failures.length], [1, 1]);
  assert.match(found.failures[0], /lost\.jpg: is not in/);
  const dataset = await openDataset(out);
  const [sample] = dataset.samples('train');
  const { data } = await readTrainIds(dataset, sample);
  const at = (x: number, y: number) => data[y * width + x];
  assert.deepEqual(
    [at(13, 13), at(19, 19), at(1, 1), at(35, 33), at(0, 5), at(0, 8), at(25, 5)],
    [2, 1, 1, 1, 2, 0, 0],
  );
  assert.equal(data.filter((value) => value === 1).length, 100 - 16 + 4 + 60);
  await rejects(() => convertAnnotations(json, { out, classes: ['cat', 'dog'] }), 'has other classes');
});

test('labelme: every figure with an area, pictures beside or inside, what is wrong does not end it', async () => {
  const root = temporary();
  await colour(path.join(root, 'b.png'), width, height);
  const mask = encodePng({ width: 4, height: 3, depth: 8, colour: 0, sample: (x) => (x > 0 ? 255 : 0) });
  const points = (...numbers: number[]) =>
    Array.from({ length: numbers.length / 2 }, (_, i) => [numbers[2 * i], numbers[2 * i + 1]]);
  const shapes = [
    { label: 'road', points: points(0, 20, 50, 20, 50, 40, 0, 40), shape_type: 'polygon' },
    { label: 'car', points: points(5, 25, 15, 30), shape_type: 'rectangle' },
    { label: 'sun', points: points(40, 8, 44, 8), shape_type: 'circle' },
    { label: 'car', points: points(30, 30, 33, 32), shape_type: 'mask', mask: mask.toString('base64') },
    { label: 'road', points: points(1, 1, 2, 2), shape_type: 'line' },
  ];
  const file = (imagePath: string, imageData: string | null) =>
    JSON.stringify({
      version: '5.5.0',
      flags: {},
      shapes,
      imagePath,
      imageData,
      imageHeight: height,
      imageWidth: width,
    });
  writeFileSync(path.join(root, 'b.json'), file('b.png', null));
  writeFileSync(
    path.join(root, 'c.json'),
    file('..\\photos\\c.png', readFileSync(path.join(root, 'b.png')).toString('base64')),
  );
  writeFileSync(path.join(root, 'broken.json'), '{"shapes": [');
  const out = path.join(root, 'out');
  const found = await convertAnnotations(root, { out, background: null });
  assert.deepEqual([found.classes, found.images, found.skipped], [['car', 'road', 'sun'], 2, 2]);
  assert.match(found.failures.join(), /broken\.json: is not valid JSON/);
  assert.ok(existsSync(path.join(out, 'images', 'c.png')));
  const { data } = await readLabels(path.join(out, 'labels', 'b.png'));
  const at = (x: number, y: number) => data[y * width + x];
  assert.deepEqual([at(1, 39), at(6, 26), at(40, 8), at(30, 30), at(31, 30), at(0, 0)], [1, 0, 2, 1, 0, 255]);
});

test('Supervisely: polygons with holes, bitmaps at their place', async () => {
  const root = temporary();
  await colour(path.join(root, 'ds', 'img', 'p.jpg'), width, height);
  mkdirSync(path.join(root, 'ds', 'ann'));
  writeFileSync(
    path.join(root, 'meta.json'),
    JSON.stringify({
      classes: [
        { title: 'kiwi', color: '#ff0000' },
        { title: 'lemon', color: '#00ff00' },
      ],
    }),
  );
  const alpha = encodePng({
    width: 3,
    height: 2,
    depth: 8,
    colour: 6,
    sample: (x, _, c) => (c === 3 ? 255 * (x % 2) : 255),
  });
  const box = (x: number, y: number, side: number) => [
    [x, y],
    [x + side, y],
    [x + side, y + side],
    [x, y + side],
  ];
  writeFileSync(
    path.join(root, 'ds', 'ann', 'p.jpg.json'),
    JSON.stringify({
      size: { height, width },
      objects: [
        {
          classTitle: 'kiwi',
          geometryType: 'polygon',
          points: { exterior: box(5, 5, 20), interior: [box(10, 10, 4)] },
        },
        {
          classTitle: 'lemon',
          geometryType: 'bitmap',
          bitmap: { data: deflateSync(alpha).toString('base64'), origin: [30, 20] },
        },
      ],
    }),
  );
  const out = path.join(root, 'out');
  const found = await convertAnnotations(root, { out });
  assert.deepEqual([found.images, found.failures], [1, []]);
  const { data } = await readLabels(path.join(out, 'labels', 'ds_p.png'));
  const at = (x: number, y: number) => data[y * width + x];
  assert.deepEqual([at(6, 6), at(11, 11), at(30, 20), at(31, 21), at(32, 21)], [1, 0, 0, 2, 0]);
});

test('annotations that lie about sizes cost no memory and are named', async () => {
  const root = temporary();
  await colour(path.join(root, 'b.png'), width, height);
  const file = (change: object) => {
    const shapes = [
      {
        label: 'a',
        points: [
          [0, 0],
          [9, 0],
          [9, 9],
        ],
      },
    ];
    const whole = {
      shapes,
      imagePath: 'b.png',
      imageData: null,
      imageHeight: height,
      imageWidth: width,
      ...change,
    };
    writeFileSync(path.join(root, 'b.json'), JSON.stringify(whole));
    return convertAnnotations(path.join(root, 'b.json'), { out: path.join(root, 'out'), classes: ['a'] });
  };
  for (const [change, message] of [
    [{ imageHeight: 60000, imageWidth: 60000 }, /60000×60000 pixels/],
    [{ imageHeight: 41 }, /is 40×50, but its annotations are for 41×50/],
    [{ shapes: [{ label: 'a', points: [[0, 0]] }] }, /three corners/],
    [
      { shapes: [{ label: 'a', points: [[0, 0]], shape_type: 'mask', mask: 'AAAA' }] },
      /mask in it cannot be read/,
    ],
    [{ imageHeight: -1 }, /"imageHeight"/],
    [{ shapes: 7 }, /"shapes"/],
  ] as const) {
    assert.match((await file(change)).failures.join(), message);
  }
});
