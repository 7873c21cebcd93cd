import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { zipSync } from 'fflate';
import tar from 'tar-stream';
import { convertAnnotations } from '../../src/data/annotations/convert.js';
import { encodeRgbPng } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { findSources, shardOf } from '../../src/data/sources/find.js';
import { renderScene } from '../../src/data/synth.js';
import { temporaryFolder, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const pictures: Record<string, Uint8Array> = {};

test('prepare', async () => {
  for (let i = 0; i < 7; i++) {
    const name = i < 4 ? `p${i}.png` : `below/p${i}.png`;
    pictures[name] = await encodeRgbPng(renderScene(3, i, 64, 96).image);
    mkdirSync(path.dirname(at('in', name)), { recursive: true });
    writeFileSync(at('in', name), pictures[name]);
  }
  writeFileSync(at('all.zip'), zipSync({ ...pictures, 'notes.txt': Buffer.from('no picture') }));
  const pack = tar.pack();
  for (const [name, bytes] of Object.entries(pictures)) pack.entry({ name }, Buffer.from(bytes));
  pack.finalize();
  const parts: Buffer[] = [];
  for await (const part of pack) parts.push(part as Buffer);
  writeFileSync(at('all.tar'), Buffer.concat(parts));
  writeFileSync(at('all.tgz'), gzipSync(Buffer.concat(parts)));
});

const lines = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));

const namesOf = async (...given: string[]) => {
  const { sources, failures, close } = await findSources(given);
  const bytes = await Promise.all(sources.map((source) => source.read()));
  for (const [i, { name }] of sources.entries()) {
    assert.deepEqual(bytes[i], Buffer.from(pictures[`${name}.png`] ?? pictures[`below/${name}.png`]), name);
  }
  await close();
  return [sources.map(({ name }) => name), failures.map(({ error }) => error)];
};

test('folders, zip, tar and tgz hold the same pictures; patterns name some of them', async () => {
  const all = Object.keys(pictures).map((name) => name.slice(0, -4));
  for (const given of ['in', 'all.zip', 'all.tar', 'all.tgz'])
    assert.deepEqual(await namesOf(at(given)), [all, []]);
  assert.deepEqual(await namesOf(at('in/p[13].png'), at('in/**/p5.png')), [['p1', 'p3', 'p5'], []]);
  assert.deepEqual((await namesOf(at('in/*.jpg'), at('nowhere')))[1], [
    'no picture has such a name',
    'no such picture or folder',
  ]);
  const flat = await findSources([at('in')], { recursive: false });
  assert.equal(flat.sources.length, 4);
});

test('archives that are damaged or lie are named, and the rest goes on', async () => {
  const flipped = readFileSync(at('all.zip'));
  const place = flipped.indexOf(Buffer.from(pictures['p2.png'].subarray(60, 90)));
  flipped[place > 0 ? place : 400] ^= 4;
  writeFileSync(at('flipped.zip'), flipped);
  const { sources, close } = await findSources([at('flipped.zip')]);
  const results = await Promise.allSettled(sources.map((source) => source.read()));
  assert.ok(results.filter(({ status }) => status === 'rejected').length <= 1);
  await close();
  writeFileSync(at('cut.zip'), readFileSync(at('all.zip')).subarray(0, 900));
  writeFileSync(at('cut.tgz'), readFileSync(at('all.tgz')).subarray(0, 900));
  writeFileSync(at('bomb.tgz'), gzipSync(Buffer.alloc(1)));
  const { failures } = await findSources([at('cut.zip'), at('cut.tgz'), at('bomb.tgz'), at('in')]);
  assert.equal(failures.length, 3);
  for (const { error } of failures) assert.doesNotMatch(error, /\n|\(unexpected;/);
});

test('parts together are the whole, for any number of parts', () => {
  for (let total = 0; total < 30; total++) {
    const list = Array.from({ length: total }, (_, i) => i);
    for (let count = 1; count <= 9; count++) {
      const parts = Array.from({ length: count }, (_, i) => shardOf(list, { index: i + 1, count }));
      assert.deepEqual(
        parts.flat().sort((a, b) => a - b),
        list,
      );
      assert.ok(
        Math.max(...parts.map(({ length }) => length)) - Math.min(...parts.map(({ length }) => length)) <= 1,
      );
    }
  }
});

test('predict in parts from a zip is predict from the folder, file by file', async () => {
  const whole = await vnetHere([
    'predict',
    at('in'),
    '--out',
    at('whole'),
    '--write',
    'labels',
    'confidence',
    '--json',
  ]);
  assert.equal(whole.code, 0, whole.stderr);
  assert.equal(lines(whole.stdout).length, 7);
  for (const part of ['1/3', '2/3', '3/3']) {
    const { code, stdout, stderr } = await vnetHere([
      'predict',
      at('all.zip'),
      '--shard',
      part,
      '--out',
      at('parts'),
      '--write',
      'labels',
      'confidence',
      '--json',
    ]);
    assert.equal(code, 0, stderr);
    assert.equal(lines(stdout).length, part === '1/3' ? 3 : 2);
  }
  const files = readdirSync(at('whole'), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.png'));
  assert.equal(files.length, 14);
  for (const file of files) {
    assert.deepEqual(
      (await readLabels(at('parts', file))).data,
      (await readLabels(at('whole', file))).data,
      file,
    );
  }
  const { data } = await readLabels(at('whole', 'p0_confidence.png'));
  // The most probable of eleven classes has a twelfth of all at least.
  assert.ok(data.every((value) => value >= 255 / 12));
});

test('labels, labelme and COCO say the same; what is done is read back; a list comes from standard input', async () => {
  const given = [
    'predict',
    '--list',
    '-',
    '--out',
    at('tools'),
    '--write',
    'labels',
    'labelme',
    '--coco',
    at('all.json'),
    '--json',
  ];
  const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));
  const run = () =>
    spawnSync(process.execPath, [bin, ...given], {
      input: `${at('in/p0.png')}\n${at('in/p1.png')}\r\n\n`,
      encoding: 'utf8',
    });
  const first = run();
  assert.equal(first.status, 0, first.stderr);
  const once = readFileSync(at('all.json'));
  const stamp = statSync(at('tools/p0_labels.png')).mtimeMs;
  const second = run();
  assert.equal(second.status, 0, second.stderr);
  assert.ok(lines(second.stdout).every(({ kept }) => kept));
  assert.equal(statSync(at('tools/p0_labels.png')).mtimeMs, stamp);
  assert.deepEqual(readFileSync(at('all.json')), once);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.endsWith('.tmp')),
    [],
  );

  const coco = JSON.parse(once.toString());
  const classes = coco.categories.map(({ name }: { name: string }) => name);
  const converted = await convertAnnotations(at('all.json'), {
    out: at('coco'),
    images: at('in'),
    classes,
    background: null,
  });
  assert.deepEqual([converted.images, converted.failures], [2, []]);
  const polygons = await convertAnnotations(at('tools'), { out: at('labelme'), classes, background: null });
  assert.deepEqual([polygons.images, polygons.failures], [2, []]);
  for (const name of ['p0', 'p1']) {
    const truth = (await readLabels(at('tools', `${name}_labels.png`))).data;
    const found = readdirSync(at('coco', 'labels'), { recursive: true })
      .map(String)
      .find((file) => file.endsWith(`${name}.png`))!;
    assert.deepEqual((await readLabels(at('coco', 'labels', found))).data, truth);
    const drawn = (await readLabels(at('labelme', 'labels', `${name}.png`))).data;
    const same = drawn.filter((value, i) => value === truth[i]).length / truth.length;
    assert.ok(
      same > 0.93,
      `${name}: ${same} of the pixels are the same after polygons of a pixel's tolerance`,
    );
  }
});

test('a corrected file is not replaced; wrong flags are told', async () => {
  const file = at('tools', 'p0_labelme.json');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/"software":"[^"]*",/, ''));
  const { code, stderr } = await vnetHere([
    'predict',
    at('in/p0.png'),
    '--out',
    at('tools'),
    '--write',
    'labelme',
  ]);
  assert.equal(code, 1);
  assert.match(stderr, /p0_labelme\.json: is there and was not written by vnet predict/);
  for (const shard of ['0/3', 'a/b']) {
    assert.equal((await vnetHere(['predict', at('in'), '--shard', shard])).code, 2);
  }
  assert.ok(!existsSync(at('predictions')));
});
