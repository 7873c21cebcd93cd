import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { unzipSync } from 'fflate';
import { checkDataset } from '../../src/data/check.js';
import { enetWeights, medianWeights } from '../../src/data/classWeights.js';
import { openDataset } from '../../src/data/datasets.js';
import { readLabels } from '../../src/data/label-image.js';
import { cityscapesClasses } from '../../src/data/layouts/cityscapes.js';
import { readSample, readTrainIds } from '../../src/data/read-sample.js';
import { SubmissionZip, submissionName, trainIdsToLabelIds } from '../../src/data/submission.js';
import { colour, grey, rejects, shared, temporary } from './helpers.js';

async function city(
  root: string,
  split: string,
  id: string,
  value: number | ((x: number, y: number) => number) = 7,
  kind = 'labelIds',
) {
  const town = id.split('_')[0];
  await colour(path.join(root, 'leftImg8bit', split, town, `${id}_leftImg8bit.png`), 8, 6);
  await grey(path.join(root, 'gtFine', split, town, `${id}_gtFine_${kind}.png`), 8, 6, value);
}

async function folder(count: number, classes: unknown = { names: ['a', 'b'] }): Promise<string> {
  const root = temporary();
  for (let i = 0; i < count; i++) {
    await colour(path.join(root, 'images', `p${i}.jpg`), 8, 6);
    await grey(path.join(root, 'labels', `p${i}.png`), 8, 6, i % 2);
  }
  mkdirSync(path.join(root, 'labels'), { recursive: true });
  writeFileSync(path.join(root, 'classes.json'), JSON.stringify(classes));
  return root;
}

test('the Cityscapes table: 19 classes, 7 categories, official pairs', () => {
  const { names, mapping, toRaw, categories, hasInstances } = cityscapesClasses;
  assert.equal(names.length, 19);
  assert.deepEqual(
    [mapping[7], mapping[11], mapping[23], mapping[33], mapping[0], mapping[29]],
    [0, 2, 10, 18, 255, 255],
  );
  toRaw.forEach((raw, id) => {
    assert.equal(mapping[raw], id);
  });
  assert.deepEqual(
    categories?.map(({ classes }) => classes.length),
    [2, 3, 3, 2, 1, 2, 6],
  );
  assert.equal(hasInstances.filter(Boolean).length, 8);
});

test('Cityscapes layout: splits, sorting, instances, labelTrainIds, coarse extra', async () => {
  const root = temporary();
  await city(root, 'val', 'bonn_000000_000001', 26);
  await city(root, 'train', 'ulm_000000_000002', 7);
  await city(root, 'train', 'aachen_000000_000009', 18, 'labelTrainIds');
  await grey(path.join(root, 'gtFine/train/ulm/ulm_000000_000002_gtFine_instanceIds.png'), 8, 6, 7);
  await colour(path.join(root, 'leftImg8bit/train_extra/ulm/ulm_000001_000000_leftImg8bit.png'), 8, 6);
  await grey(path.join(root, 'gtCoarse/train_extra/ulm/ulm_000001_000000_gtCoarse_labelIds.png'), 8, 6, 21);
  const dataset = await openDataset(root);
  assert.deepEqual([dataset.name, dataset.splits], ['cityscapes', ['train', 'val']]);
  const train = dataset.samples('train');
  assert.deepEqual(
    train.map(({ id, encoding }) => [id, encoding]),
    [
      ['aachen_000000_000009', 'train'],
      ['ulm_000000_000002', 'raw'],
    ],
  );
  assert.match(train[1].instances ?? '', /instanceIds/);
  assert.equal((await readSample(dataset, train[0])).labels.data[0], 18);
  assert.equal((await readSample(dataset, train[1])).labels.data[0], 0);
  const more = await openDataset(root, { extra: true, split: 'train' });
  assert.equal(more.samples('train').length, 3);
  assert.equal((await readSample(more, more.samples('train')[2])).labels.data[0], 8);
});

test('splits without labels are recognised', async () => {
  const root = temporary();
  await city(root, 'train', 'ulm_000000_000001');
  await city(root, 'test', 'berlin_000000_000001', 3);
  await colour(path.join(root, 'leftImg8bit/val/bonn/bonn_000000_000001_leftImg8bit.png'), 8, 6);
  const dataset = await openDataset(root);
  assert.deepEqual(await Promise.all(['train', 'val', 'test'].map((split) => dataset.hasLabels(split))), [
    true,
    false,
    false,
  ]);
  assert.equal(dataset.samples('val')[0].labels, undefined);
});

test('folder layout: split folders, or a flat folder split by name', async () => {
  const root = await folder(20);
  const dataset = await openDataset(root);
  assert.deepEqual(dataset.splits, ['train', 'val']);
  const ids = (split: string) => dataset.samples(split).map(({ id }) => id);
  assert.deepEqual([ids('train').length, ids('val').length], [18, 2]);
  assert.equal(new Set([...ids('train'), ...ids('val')]).size, 20);
  assert.deepEqual(
    (await openDataset(root)).samples('val').map(({ id }) => id),
    ids('val'),
  );
  const split = temporary();
  writeFileSync(path.join(split, 'classes.json'), '{"names":["a"]}');
  await colour(path.join(split, 'images/val/x.png'), 8, 6);
  await grey(path.join(split, 'labels/val/x.png'), 8, 6, 0);
  assert.deepEqual((await openDataset(split)).splits, ['val']);
});

test('every mistake in a data set is one clear line', async () => {
  const root = await folder(20);
  const lonely = path.join(root, 'labels/p1.png');
  await rejects(() => openDataset(path.join(root, 'nowhere')), 'nowhere', 'no such data set folder');
  await rejects(() => openDataset(temporary()), 'no known data set layout', 'leftImg8bit', 'classes.json');
  await rejects(() => openDataset(root, { split: 'test' }), "no split 'test'", 'train, val');
  await rejects(() => openDataset(root, { extra: true }), 'only for Cityscapes');
  rmSync(lonely);
  const dataset = await openDataset(root);
  await rejects(() => [dataset.samples('train'), dataset.samples('val')], 'p1.jpg', lonely, 'has no labels');
  rmSync(path.join(root, 'classes.json'));
  await rejects(() => openDataset(root), 'classes.json', 'not found');
  const empty = temporary();
  mkdirSync(path.join(empty, 'leftImg8bit/train/ulm'), { recursive: true });
  await rejects(() => openDataset(empty, { split: 'train' }), "split 'train' is empty", '_leftImg8bit.png');
  await rejects(() => openDataset(empty, { extra: true }), 'train_extra');
});

test('bad samples: size, unknown value', async () => {
  const root = await folder(2);
  const [dataset, sample] = await first(root);
  await grey(sample.labels ?? '', 7, 6, 0);
  await rejects(() => readSample(dataset, sample), sample.labels ?? '', '6×7', '6×8');
  await grey(sample.labels ?? '', 8, 6, (x, y) => (y === 0 && x < 5 ? 42 : 1));
  await rejects(() => readSample(dataset, sample), sample.labels ?? '', '42 (5 pixels)');
});

async function first(root: string) {
  const dataset = await openDataset(root);
  return [dataset, dataset.samples('train')[0]] as const;
}

const sample128 = shared('cityscapes-sample-128x256');
test('real Cityscapes: mapped labelIds are labelTrainIds', { skip: sample128.skip }, async () => {
  const dataset = await openDataset(sample128.dir, { split: 'val' });
  const [sample] = dataset.samples('val');
  const { image, labels } = await readSample(dataset, sample);
  assert.deepEqual([image.height, image.width], [128, 256]);
  assert.equal(sample.encoding, 'raw');
  const truth = await readLabels((sample.labels ?? '').replace('labelIds', 'labelTrainIds'));
  const raw = await readLabels(sample.labels ?? '');
  // The two files were reduced to this size one by one, so they differ in a few pixels on outlines: every raw
  // value must mean its train id in nearly all of its own pixels, and the files agree on 99.7 % of all.
  const votes = new Map<number, [same: number, all: number]>();
  let agree = 0;
  truth.data.forEach((id, i) => {
    const vote = votes.get(raw.data[i]) ?? [0, 0];
    const same = labels.data[i] === id ? 1 : 0;
    votes.set(raw.data[i], [vote[0] + same, vote[1] + 1]);
    agree += same;
  });
  assert.ok(agree / truth.data.length > 0.997, `${agree} of ${truth.data.length} pixels agree`);
  for (const [value, [same, all]] of votes) assert.ok(same / all > 0.95, `raw ${value}: ${same} of ${all}`);
  assert.ok(new Set(labels.data).size > 8);
  const back = trainIdsToLabelIds(labels);
  back.data.forEach((value, i) => {
    assert.equal(value, labels.data[i] === 255 ? 0 : raw.data[i]);
  });
});

const camvid = shared('camvid');
test('real CamVid: 367 and 101 images with labels', { skip: camvid.skip }, async () => {
  const dataset = await openDataset(camvid.dir);
  assert.deepEqual([dataset.name, dataset.splits], ['camvid', ['train', 'val']]);
  assert.deepEqual([dataset.samples('train').length, dataset.samples('val').length], [367, 101]);
  const { labels } = await readSample(dataset, dataset.samples('val')[0]);
  assert.deepEqual([labels.height, labels.width], [360, 480]);
  assert.ok(labels.data.every((id) => id < 11 || id === 255));
});

test('check collects every problem and counts classes', async () => {
  const root = temporary();
  await city(root, 'train', 'ulm_000000_000001', (x) => (x < 4 ? 7 : 26));
  await city(root, 'train', 'ulm_000000_000002', 3);
  await city(root, 'train', 'ulm_000000_000003', (x) => (x < 2 ? 255 : 0));
  await city(root, 'train', 'ulm_000000_000004', 40, 'labelTrainIds');
  await city(root, 'train', 'ulm_000000_000005');
  await city(root, 'train', 'ulm_000000_000006');
  await city(root, 'train', 'ulm_000000_000007');
  const at = (n: number, suffix: string) =>
    path.join(
      root,
      suffix.includes('gtFine') ? 'gtFine' : 'leftImg8bit',
      'train/ulm',
      `ulm_000000_00000${n}_${suffix}`,
    );
  writeFileSync(at(5, 'leftImg8bit.png'), 'broken');
  await grey(at(6, 'gtFine_labelIds.png'), 9, 6, 7);
  rmSync(at(7, 'gtFine_labelIds.png'));
  let calls = 0;
  const report = await checkDataset(root, { workers: 2, onProgress: () => calls++ });
  const kinds = report.problems
    .filter(({ file }) => file.includes('ulm'))
    .map(({ kind, file }) => `${kind} ${path.basename(file).slice(11, 17)}`);
  assert.deepEqual(
    kinds.sort(),
    [
      'all-ignored 000002',
      'contradiction 000003',
      'missing-label 000007',
      'mixed-encoding 000004',
      'size-mismatch 000006',
      'small-image 000001',
      'undecodable 000005',
      'unknown-value 000004',
    ].sort(),
  );
  assert.equal(report.fatal, true);
  assert.equal(calls, 7);
  const [train] = report.splits;
  assert.deepEqual([train.images, train.labelled, train.sizes], [7, 6, [{ size: '6×8', images: 6 }]]);
  assert.equal(train.classes[13].pixels, 24);
  assert.equal(train.classes[13].images, 1);
});

test('class weights follow their formulas', () => {
  assert.ok(Math.abs(enetWeights([30, 10])[1] - 1 / Math.log(1.02 + 0.25)) < 1e-12);
  // f = 0.5, 0.25, 0.1 → median 0.25.
  assert.deepEqual(medianWeights([50, 25, 10, 0], [100, 100, 100, 0]), [0.5, 1, 2.5, 0]);
});

test('a submission zip holds official names and labelIds', async () => {
  const dir = temporary();
  const zip = new SubmissionZip(path.join(dir, 'out.zip'));
  await zip.add('berlin_000000_000019', { width: 2, height: 1, data: Uint8Array.from([0, 18]) });
  await zip.add('berlin_000001_000019', { width: 2, height: 1, data: Uint8Array.from([10, 255]) });
  await rejects(
    () => zip.add('berlin_000001_000019', { width: 1, height: 1, data: new Uint8Array(1) }),
    'twice',
  );
  assert.equal(await zip.finish(), 2);
  const files = unzipSync(readFileSync(path.join(dir, 'out.zip')));
  assert.deepEqual(Object.keys(files), [
    submissionName('berlin_000000_000019'),
    submissionName('berlin_000001_000019'),
  ]);
  writeFileSync(
    path.join(dir, 'a.png'),
    files.berlin_000000_000019_pred_labelIds ?? files['berlin_000000_000019_pred_labelIds.png'],
  );
  assert.deepEqual([...(await readLabels(path.join(dir, 'a.png'))).data], [7, 33]);
  await rejects(() => submissionName('photo'), 'photo');
  await rejects(
    async () => {
      const lost = new SubmissionZip(path.join(dir, 'no/where.zip'));
      await lost.add('berlin_000000_000019', { width: 1, height: 1, data: new Uint8Array(1) });
      await lost.finish();
    },
    'where.zip',
    'no such file',
  );
});

test('colour-coded labels are read through the class colours', async () => {
  const root = await folder(2, {
    names: ['a', 'b'],
    colours: [
      [90, 120, 30],
      [1, 2, 3],
    ],
  });
  const [dataset, sample] = await first(root);
  await colour(sample.labels ?? '', 8, 6, [1, 2, 3]);
  assert.ok((await readTrainIds(dataset, sample)).data.every((id) => id === 1));
});
