import assert from 'node:assert/strict';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { readImage, writeRgbPng } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { withPngText } from '../../src/data/png-text.js';
import { renderScene } from '../../src/data/synth.js';
import { fittingSize } from '../../src/eval/fitting.js';
import { readModel, writeModel } from '../../src/model/file.js';
import { shippedModel } from '../../src/model/load.js';
import { temporaryFolder, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const predict = (...args: string[]) => vnetHere(['predict', '--threads', '1', ...args]);
const lines = (stdout: string): Record<string, unknown>[] =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));

before(async () => {
  await writeRgbPng(at('scene.png'), renderScene(1, 0, 48, 64).image);
});

/** A folder with pictures of the given names. */
function pictures(name: string, ...files: string[]): string {
  for (const file of files) {
    mkdirSync(path.dirname(at(name, file)), { recursive: true });
    copyFileSync(at('scene.png'), at(name, file));
  }
  return at(name);
}

test('one bad picture does not end a batch: the others are there, failures come at the end', async () => {
  const dir = pictures('bad', 'a.png', 'b.png', 'c.png', 'd.png', 'inner/e.png');
  truncateSync(at('bad', 'b.png'), 1000);
  await writeRgbPng(at('bad', 'c.png'), { width: 3, height: 3, data: new Uint8Array(27) });
  const { code, stdout, stderr } = await predict(dir, at('gone.png'), '--out', at('bad-out'), '--json');
  assert.equal(code, 1);
  const results = lines(stdout);
  assert.deepEqual(
    results.map(({ image, error }) => [path.basename(String(image)), error !== undefined]),
    [
      ['gone.png', true],
      ['a.png', false],
      ['b.png', true],
      ['c.png', true],
      ['d.png', false],
      ['e.png', false],
    ],
  );
  for (const name of ['a', 'd', 'inner/e']) assert.ok(existsSync(at('bad-out', `${name}_overlay.png`)), name);
  const told = stderr.trimEnd().split('\n').slice(-4);
  assert.match(told[0], /gone\.png: no such picture or folder$/);
  assert.match(told[1], /b\.png: cannot be decoded as an image/);
  assert.match(told[2], /c\.png: .*at least 32x32/);
  assert.match(told[3], /^vnet: 3 of 6 pictures failed, listed above$/);
});

test('the same command goes on: done is done, until the picture, the model or an option changes', async () => {
  const dir = pictures('again', 'a.png', 'b.png');
  const args = [dir, '--out', at('again-out'), '--json'];
  const kept = async (...more: string[]) => {
    const { code, stdout, stderr } = await predict(...args, ...more);
    assert.equal(code, 0, stderr);
    return lines(stdout).map(({ kept = false }) => kept);
  };
  assert.deepEqual(await kept(), [false, false]);
  assert.deepEqual(await kept(), [true, true]);
  assert.deepEqual(await kept('--flip'), [false, false]);
  assert.deepEqual(await kept(), [false, false], 'the labels of the other option are replaced');
  utimesSync(at('again', 'b.png'), 1, 1);
  assert.deepEqual(await kept(), [true, false]);
  unlinkSync(at('again-out', 'a_colour.png'));
  assert.deepEqual(await kept(), [false, true]);
  assert.deepEqual(await kept('--overwrite'), [false, false]);
  const plain = await predict(dir, '--out', at('again-out'));
  assert.equal(plain.stdout, `2 done before: ${at('again-out')}\n`);
});

test('what it wrote is no input, wherever it lies; what others wrote is not replaced', async () => {
  const dir = pictures('own', 'a.png', 'inner/b.png');
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await predict(dir, ...args, '--json');
    assert.equal(code, 0, stderr);
    return lines(stdout).map(({ image }) => path.relative(dir, String(image)));
  };
  const inputs = ['a.png', path.join('inner', 'b.png')];
  assert.deepEqual(await run('--out', at('own', 'predictions')), inputs);
  assert.deepEqual(await run('--out', at('own', 'predictions')), inputs);
  assert.deepEqual(await run('--out', at('elsewhere')), inputs, 'the folder of an earlier run');
  assert.deepEqual(await run('--out', dir), inputs, 'beside the pictures');
  assert.deepEqual(await run('--out', dir), inputs);
  // Labels of the user's own.
  const labels = path.join('inner', 'b_labels.png');
  copyFileSync(at('scene.png'), at('foreign_labels.png'));
  const bytes = readFileSync(at('foreign_labels.png'));
  mkdirSync(at('out-foreign', 'inner'), { recursive: true });
  writeFileSync(at('out-foreign', labels), bytes);
  const refused = await predict(dir, '--out', at('out-foreign'));
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /b_labels\.png: is there and was not written by vnet predict; --overwrite/);
  assert.deepEqual(readFileSync(at('out-foreign', labels)), bytes);
  assert.ok(existsSync(at('out-foreign', 'a_labels.png')));
  assert.equal((await predict(dir, '--out', at('out-foreign'), '--overwrite')).code, 0);
  assert.notDeepEqual(readFileSync(at('out-foreign', labels)), bytes);
});

test('links in a loop end, and no folder is walked twice', async () => {
  const dir = pictures('loop', 'a.png', 'inner/b.png');
  symlinkSync('.', at('loop', 'again'));
  symlinkSync('..', at('loop', 'inner', 'up'));
  symlinkSync('itself', at('loop', 'itself'));
  symlinkSync('itself.png', at('loop', 'itself.png'));
  const { code, stdout, stderr } = await predict(dir, '--out', at('loop-out'), '--json');
  assert.equal(code, 0, stderr);
  assert.deepEqual(
    lines(stdout).map(({ image }) => path.relative(dir, String(image))),
    ['a.png', path.join('inner', 'b.png')],
  );
});

test('a header that asks for gigabytes is refused before anything is decoded', async () => {
  const header = readFileSync(at('scene.png'));
  header.writeUInt32BE(16_000, 16);
  header.writeUInt32BE(16_000, 20);
  const { crc32 } = await import('../../src/data/crc32.js');
  header.writeUInt32BE(crc32(header.subarray(12, 29)), 29);
  writeFileSync(at('huge.png'), header);
  const { code, stderr } = await predict(at('huge.png'), '--resize', 'own');
  assert.equal(code, 1);
  assert.match(stderr, /^vnet: \S*huge\.png: .*16000×16000 pixels; at most 89 million are read/);
});

test('small and large pictures are shown at a size that suits the model, and it says so', async () => {
  const info = (image?: [number, number]) => ({ trained: { epoch: 1, step: 1, image } });
  assert.equal(fittingSize(info(), { height: 9999, width: 9999 }), undefined);
  assert.equal(fittingSize(info([360, 480]), { height: 360, width: 480 }), undefined);
  assert.equal(fittingSize(info([360, 480]), { height: 536, width: 720 }), undefined);
  assert.deepEqual(fittingSize(info([360, 480]), { height: 357, width: 475 }), [360, 480]);
  assert.deepEqual(fittingSize(info([360, 480]), { height: 1440, width: 1920 }), [544, 720]);
  assert.deepEqual(fittingSize(info([360, 480]), { height: 40, width: 90_000 }), [32, 29_576]);
  assert.deepEqual(fittingSize(info([720, 960]), { height: 360, width: 480 }), [720, 960]);
  assert.deepEqual(fittingSize(info([720, 960]), { height: 180, width: 240 }), [544, 720]);
  assert.deepEqual(fittingSize(info([720, 960]), { height: 32, width: 40 }), [96, 120]);
  assert.equal(fittingSize(info([720, 960]), { height: 20, width: 40 }), undefined);
  await writeRgbPng(at('large.png'), renderScene(1, 0, 720, 960).image);
  const { info: shipped, weights } = await readModel(shippedModel);
  const trained = { ...shipped.trained, image: [360, 480] as [number, number] };
  await writeModel(at('small.safetensors'), { ...shipped, trained }, weights);
  const model = ['--model', at('small.safetensors')];
  const shown = await predict(at('large.png'), ...model, '--out', at('shown'), '--json');
  assert.equal(shown.code, 0, shown.stderr);
  assert.deepEqual(lines(shown.stdout)[0].shownAt, [544, 720]);
  assert.match(
    shown.stderr,
    /large\.png: 720×960, shown to the model at 544×720 \(trained on 360×480.*--resize own/,
  );
  const labels = await readLabels(at('shown', 'large_labels.png'));
  assert.deepEqual([labels.height, labels.width], [720, 960]);
  const asked = await predict(at('large.png'), ...model, '--out', at('asked'), '--resize', '544x720');
  assert.equal(asked.code, 0, asked.stderr);
  assert.doesNotMatch(asked.stderr, /note/);
  assert.deepEqual((await readLabels(at('asked', 'large_labels.png'))).data, labels.data);
  await writeRgbPng(at('small.png'), renderScene(1, 0, 180, 240).image);
  const larger = await predict(at('small.png'), ...model, '--out', at('larger'), '--json');
  assert.equal(larger.code, 0, larger.stderr);
  assert.deepEqual(lines(larger.stdout)[0].shownAt, [360, 480]);
  const own = await predict(at('small.png'), ...model, '--out', at('own-size'), '--json', '--resize', 'own');
  assert.equal(own.code, 0, own.stderr);
  assert.equal(lines(own.stdout)[0].shownAt, undefined);
  assert.doesNotMatch(own.stderr, /note/);
});

test('--legend: the classes that are there, named below the overlay, which is unchanged', async () => {
  const dir = pictures('legend', 'a.png');
  const plain = await predict(dir, '--out', at('legend-none'));
  assert.equal(plain.code, 0, plain.stderr);
  const { code, stderr } = await predict(dir, '--out', at('legend-out'), '--legend');
  if (code !== 0) {
    assert.match(stderr, /a legend needs a font/);
    return;
  }
  const without = await readImage(at('legend-none', 'a_overlay.png'));
  const image = await readImage(at('legend-out', 'a_overlay.png'));
  assert.equal(image.width, without.width);
  assert.ok(image.height > without.height);
  assert.deepEqual(image.data.subarray(0, without.data.length), without.data);
  const band = image.data.subarray(without.data.length);
  assert.ok(band.includes(255), 'white ground');
  assert.ok(
    Array.from({ length: band.length / 3 }, (_, i) => band.subarray(3 * i, 3 * i + 3)).some(
      ([r, g, b]) => r < 90 && g < 90 && b < 90,
    ),
    'letters',
  );
});

test('the mark leaves pixels alone', async () => {
  const png = readFileSync(at('scene.png'));
  writeFileSync(at('marked.png'), withPngText(png, 'Software', 'someone'));
  assert.deepEqual(await readImage(at('marked.png')), await readImage(at('scene.png')));
  assert.ok(statSync(at('marked.png')).size > png.length);
  assert.ok(readdirSync(folder).length > 0);
});
