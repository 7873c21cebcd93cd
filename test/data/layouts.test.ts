import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { openDataset } from '../../src/data/datasets.js';
import { layouts } from '../../src/data/layouts/index.js';
import { readTrainIds } from '../../src/data/read-sample.js';
import { colour, grey, rejects, temporary } from './helpers.js';
import type { LayoutCase } from './layoutCases.js';
import { layoutCases, text } from './layoutCases.js';
import { encodePng } from './png-writer.js';

const [width, height] = [8, 6];

async function lay(root: string, files: LayoutCase['files']): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(root, name);
    mkdirSync(path.dirname(file), { recursive: true });
    if (content === 'image') await colour(file, width, height);
    else if (typeof content === 'number') await grey(file, width, height, content);
    else if ('text' in content) writeFileSync(file, content.text);
    else await colour(file, width, height, [...content]);
  }
}

for (const { name, files, splits, classes, reads } of layoutCases) {
  test(`${name}: ${Object.keys(files)[0]}`, async () => {
    const root = temporary();
    await lay(root, files);
    const dataset = await openDataset(root);
    assert.deepEqual([dataset.name, dataset.splits, dataset.classes.names.length], [name, splits, classes]);
    assert.equal(new Set(dataset.classes.names).size, classes);
    for (const [split, id, className] of reads) {
      const [sample] = dataset.samples(split);
      assert.equal(sample.id.replaceAll('\\', '/'), id);
      const { data } = await readTrainIds(dataset, sample);
      assert.equal(dataset.classes.names[data[0]], className);
    }
  });
}

test('every layout has a case', () => {
  assert.deepEqual(
    [...new Set(layoutCases.map(({ name }) => name))].sort(),
    layouts.map(({ name }) => name).sort(),
  );
});

test('a classes.json wins over the classes of a layout', async () => {
  const root = temporary();
  await lay(root, {
    'images/training/a.jpg': 'image',
    'annotations/training/a.png': 0,
    'classes.json': text({ names: ['none', 'some'] }),
  });
  const dataset = await openDataset(root);
  assert.deepEqual([dataset.name, dataset.classes.names], ['ade20k', ['none', 'some']]);
  assert.equal((await readTrainIds(dataset, dataset.samples('train')[0])).data[0], 0);
});

test('folder layout: any of the usual suffixes, Unicode forms, nested folders, names of folders and splits', async () => {
  const suffixes = [
    '',
    '_mask',
    '_P',
    '_L',
    '_label',
    '_gt',
    '_seg',
    '_train_id',
    '_labelIds',
    '_gtFine_labelTrainIds',
  ];
  const [composed, decomposed] = ['caf\u00e9', 'cafe\u0301'];
  for (const labels of ['labels', 'masks', 'annotations']) {
    for (const [i, suffix] of suffixes.entries()) {
      const root = temporary();
      const [image, label] = i % 2 ? [composed, decomposed] : [decomposed, composed];
      await lay(root, {
        [`images/train/city/${image}.jpg`]: 'image',
        [`${labels}/training/city/${label}${suffix}.png`]: 1,
        'images/train/top.jpg': 'image',
        [`${labels}/training/top${suffix}.png`]: 1,
        'images/valid/x.jpg': 'image',
        'classes.json': text({ names: ['a', 'b'] }),
      });
      const dataset = await openDataset(root);
      assert.deepEqual(dataset.splits, ['train', 'val'], suffix);
      const samples = dataset.samples('train');
      assert.equal(samples.length, 2);
      for (const sample of samples) assert.equal((await readTrainIds(dataset, sample)).data[0], 1, suffix);
    }
  }
});

test('links in a loop end; a byte order mark is none of the text; other encodings are named', async () => {
  const root = temporary();
  await lay(root, { 'images/train/a.jpg': 'image', 'labels/train/a.png': 0 });
  symlinkSync('..', path.join(root, 'images', 'train', 'again'));
  writeFileSync(path.join(root, 'classes.json'), '\ufeff{"names": ["a", "b"]}');
  const dataset = await openDataset(root);
  assert.equal(dataset.samples('train').length, 1);
  writeFileSync(path.join(root, 'classes.json'), Buffer.from('\ufeff{"names": ["a", "b"]}', 'utf16le'));
  await rejects(() => openDataset(root), 'classes.json', 'not UTF-8');
});

test('lists that are wrong are named with what was expected', async () => {
  for (const [files, ...patterns] of [
    [{ 'train/_classes.csv': text('nothing') }, '_classes.csv', 'has 0 classes'],
    [{ 'train/_classes.csv': text('1, a\n1, b\n') }, '_classes.csv', 'there twice'],
    [{ 'images/a.png': 'image', 'codes.txt': text('a\na\n') }, 'codes.txt', 'different names'],
    [{ 'SegmentationClass/a.png': 0 }, 'ImageSets', 'no lists'],
    [{ 'img_dir/train/a.jpg': 'image', 'ann_dir/train/a.png': 0 }, 'classes.json', 'not found'],
    [{ 'training/images/a.jpg': 'image', 'training/v2.0/labels/a.png': 0 }, 'config_v2.0.json', 'not found'],
    [{ 'train/a.png': 'image', 'train_labels/a_L.png': 0 }, 'class_dict.csv', 'not found'],
    [
      { 'train/a.png': 'image', 'train_labels/a_L.png': 0, 'class_dict.csv': text('a,0,0,300\nb,1,1,1') },
      'class_dict.csv',
      'above 255',
    ],
  ] as [LayoutCase['files'], ...string[]][]) {
    const root = temporary();
    await lay(root, files);
    await rejects(() => openDataset(root), ...patterns);
  }
});

test('palettes: by index where colours agree or say nothing, by colour where they are in another order', async () => {
  const colours = [
    [0, 0, 0],
    [128, 0, 0],
    [0, 128, 0],
  ];
  const read = async (order: readonly number[], extra: object = {}, palette?: readonly number[][]) => {
    const root = temporary();
    await lay(root, {
      'images/train/a.jpg': 'image',
      'classes.json': text({ names: ['a', 'b', 'c'], colours, ...extra }),
    });
    mkdirSync(path.join(root, 'labels', 'train'), { recursive: true });
    const entries = palette ?? order.map((c) => colours[c]);
    writeFileSync(
      path.join(root, 'labels', 'train', 'a.png'),
      encodePng({
        width,
        height,
        depth: 8,
        colour: 3,
        palette: Uint8Array.from(entries.flat()),
        sample: (x) => x % 3,
      }),
    );
    const dataset = await openDataset(root);
    return [...(await readTrainIds(dataset, dataset.samples('train')[0])).data.subarray(0, 3)];
  };
  for (const order of [
    [0, 1, 2],
    [0, 2, 1],
    [1, 0, 2],
    [1, 2, 0],
    [2, 0, 1],
    [2, 1, 0],
  ]) {
    assert.deepEqual(await read(order), order);
    assert.deepEqual(await read(order, { palette: 'index' }), [0, 1, 2]);
  }
  const foreign = [
    [9, 9, 9],
    [128, 0, 0],
    [0, 0, 0],
  ];
  assert.deepEqual(await read([], {}, foreign), [0, 1, 2]);
  await rejects(() => read([], { palette: 'colours' }, foreign), 'index 0 of its palette');
});
