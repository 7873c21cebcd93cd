import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { before, test } from 'node:test';
import { readImage, writeLabelPng, writeRgbPng } from '../../src/data/image.js';
import { readLabels } from '../../src/data/label-image.js';
import { bin, drawScenes, start, temporaryFolder, vnet, vnetHere } from './vnet.js';

const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);
const train = (out: string, ...more: string[]) =>
  vnetHere([
    ...['train', '--data', at('scenes'), '--out', at(out), '--batch', '2', '--threads', '1', '--no-report'],
    ...more,
  ]);

before(async () => {
  await drawScenes(at('scenes'), '48x64', 6, 0.34);
  const { code, stderr, stdout } = await vnetHere([
    ...['train', '--data', at('scenes'), '--out', at('run'), '--epochs', '2', '--batch', '2'],
    ...['--threads', '1', '--lr', '0.002', '--json'],
  ]);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout);
  assert.equal(result.step, 4);
  assert.equal(result.interrupted, false);
  assert.match(stderr, /epoch 2\/2: mIoU/);
});

/** Failures are one line that names the file or flag. */
function failed(
  { code, stderr }: { code: number | null; stderr: string },
  pattern: RegExp,
  exitCode = 1,
): void {
  assert.equal(code, exitCode, stderr);
  assert.match(stderr, pattern);
  assert.match(stderr, /^(note: [^\n]+\n)*vnet: [^\n]+\n$/, 'one line, no stack trace');
}

test('train, eval and predict with --net', async () => {
  const { code, stderr } = await train('enet', '--net', 'enet', '--epochs', '1', '--validate-every', '0');
  assert.equal(code, 0, stderr);
  const info = await vnetHere(['info', at('enet'), '--json']);
  assert.equal(JSON.parse(info.stdout).network.name, 'enet');
  const scored = await vnetHere(['eval', '--net', 'enet', '--model', at('enet'), '--data', at('scenes')]);
  assert.equal(scored.code, 0, scored.stderr);
  failed(
    await vnetHere([
      'predict',
      '--net',
      'vnet',
      '--model',
      at('enet'),
      '--data',
      at('scenes'),
      '--split',
      'val',
    ]),
    /last\.safetensors: a model of enet, not of vnet/,
  );
});

test('train leaves a run folder with a report of its curves and pictures', () => {
  for (const name of ['best.safetensors', 'last.safetensors', 'config.json', 'metrics.jsonl']) {
    assert.ok(existsSync(at('run', name)), name);
  }
  const html = readFileSync(at('run', 'report.html'), 'utf8');
  for (const part of [
    'Validation mIoU',
    'IoU per class',
    'Arena over one training step',
    'Process at its peak',
  ]) {
    assert.ok(html.includes(part), part);
  }
  assert.doesNotMatch(html, /http-equiv="refresh"/);
  assert.equal(html.match(/<img /g)?.length, 6, 'two images, each with prediction and truth');
});

test('eval agrees with the validation of the run, and writes the confusion matrix', async () => {
  const common = ['eval', '--model', at('run', 'best.safetensors'), '--data', at('scenes'), '--threads', '1'];
  const [json, table] = await Promise.all([
    vnet([...common, '--json', '--confusion', at('c.json')]),
    vnet([...common, '--confusion', at('c.csv')]),
  ]);
  assert.equal(json.code, 0, json.stderr);
  const scores = JSON.parse(json.stdout);
  const lines = readFileSync(at('run', 'metrics.jsonl'), 'utf8').trim().split('\n');
  const validations = lines.map((line) => JSON.parse(line)).filter(({ type }) => type === 'validation');
  assert.equal(scores.miou, Math.max(...validations.map(({ miou }) => miou)));
  assert.equal(scores.images, 2);
  assert.match(table.stdout, /^road /m);
  assert.match(table.stdout, /mIoU [\d.]+ %, pixel accuracy/);
  const { classes, truthByPrediction, ignored } = JSON.parse(readFileSync(at('c.json'), 'utf8'));
  const pixels = truthByPrediction.flat().reduce((a: number, b: number) => a + b, 0);
  assert.equal(pixels + ignored, 2 * 48 * 64);
  const rows = readFileSync(at('c.csv'), 'utf8')
    .trim()
    .split('\n')
    .map((row) => row.split(','));
  assert.deepEqual(rows[0].slice(1), classes);
  assert.deepEqual(
    rows.slice(1).map((row) => row.slice(1).map(Number)),
    truthByPrediction,
  );
});

test('eval says where predict would show the pictures at another size, and only there', async () => {
  const common = ['eval', '--model', at('run'), '--threads', '1', '--data'];
  assert.equal((await vnetHere(['synth', '--out', at('less'), '--count', '2', '--size', '32x48'])).code, 0);
  const small = await vnetHere([...common, at('less')]);
  assert.equal(small.code, 0, small.stderr);
  // As many pixels as 48×64: √2 times the side, in eights.
  assert.match(small.stderr, /^note: images are scored as they are .*32×48.* --resize 48x64 scores$/m);
  for (const same of [[at('scenes')], [at('less'), '--resize', '48x64']]) {
    const { code, stderr } = await vnetHere([...common, ...same]);
    assert.equal(code, 0, stderr);
    assert.doesNotMatch(stderr, /scored as they are/);
  }
});

test('info', async () => {
  const { stdout } = await vnetHere(['info', at('run'), '--json']);
  const info = JSON.parse(stdout);
  assert.equal(info.parameters, 163_091);
  assert.equal(info.classes.names.length, 19);
  assert.ok(info.file.endsWith('best.safetensors'));
});

test('predict: files and folders, at their own size, names from the input, inputs untouched', async () => {
  mkdirSync(at('photos', 'inner'), { recursive: true });
  const picture = { width: 77, height: 41, data: new Uint8Array(77 * 41 * 3).map((_, i) => (i * 37) % 251) };
  await writeRgbPng(at('photos', 'inner', 'a.png'), picture);
  await writeRgbPng(at('b.png'), picture);
  const before = readFileSync(at('b.png'));
  const args = ['predict', '--model', at('run'), '--threads', '1', '--out', at('out')];
  const { code, stdout, stderr } = await vnetHere([...args, at('photos'), at('b.png'), '--json']);
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)).length,
    2,
  );
  for (const name of [path.join('inner', 'a'), 'b']) {
    const labels = await readLabels(at('out', `${name}_labels.png`));
    assert.deepEqual([labels.height, labels.width], [41, 77]);
    assert.ok(labels.data.every((id) => id < 19));
    for (const kind of ['colour', 'overlay']) {
      const { height, width } = await readImage(at('out', `${name}_${kind}.png`));
      assert.deepEqual([height, width], [41, 77]);
    }
  }
  assert.deepEqual(readFileSync(at('b.png')), before);
  // An input that is called like an output.
  copyFileSync(at('b.png'), at('c_overlay.png'));
  copyFileSync(at('b.png'), at('c.png'));
  const clash = await vnetHere([
    'predict',
    '--model',
    at('run'),
    at('c.png'),
    at('c_overlay.png'),
    '--out',
    folder,
  ]);
  failed(clash, /c_overlay\.png: is an input and would be overwritten/);
  assert.deepEqual(readFileSync(at('c_overlay.png')), before);
});

test('compare writes a page with both models', async () => {
  const { code, stdout, stderr } = await vnetHere([
    ...['compare', at('run'), at('run', 'last.safetensors'), '--data', at('scenes'), '--images', '1'],
    ...['--out', at('page.html'), '--threads', '1'],
  ]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^run +[\d.]+/m);
  assert.equal(readFileSync(at('page.html'), 'utf8').match(/<img /g)?.length, 4);
});

test('data check: exit code 1 where training would fail', async () => {
  const [good, none] = await Promise.all([
    vnet(['data', 'check', at('scenes'), '--json']),
    vnet(['data', 'check', at('nowhere')]),
  ]);
  assert.equal(good.code, 0, good.stderr);
  assert.equal(JSON.parse(good.stdout).fatal, false);
  failed(none, /nowhere: no such data set folder/);
});

test('Ctrl-C saves and says how to resume; the config of the run is used then', async () => {
  const args = ['train', '--data', at('scenes'), '--out', at('stopped'), '--batch', '2', '--threads', '1'];
  const running = start([...args, '--epochs', '500', '--no-report']);
  await running.seen(/epoch 1\/500: mIoU/);
  running.interrupt();
  const { code, stderr } = await running.ended;
  assert.equal(code, 1);
  assert.match(
    stderr,
    /stopped after step \d+, saved in \S+; go on with:\n {2}vnet train --out \S*stopped --resume\n$/,
  );
  const config = JSON.parse(readFileSync(at('stopped', 'config.json'), 'utf8'));
  assert.equal(config.epochs, 500);
  const step = Number(/stopped after step (\d+)/.exec(stderr)![1]);
  const again = start(['train', '--out', at('stopped'), '--resume', '--no-report']);
  await again.seen(/epoch \d+\/500: mIoU/);
  again.interrupt();
  const ended = await again.ended;
  assert.ok(Number(/stopped after step (\d+)/.exec(ended.stderr)![1]) > step);
  failed(
    await vnetHere(['train', '--out', at('stopped'), '--resume', '--lr', '0.1']),
    /learningRate was 0.0005 and is 0.1/,
    2,
  );
});

test('a configuration file gives options, flags win, mistakes are named', async () => {
  writeFileSync(at('vnet.config.json'), JSON.stringify({ epochs: 1, batch: 3, augment: { flip: false } }));
  const good = await train('configured', '--config', at('vnet.config.json'), '--validate-every', '0');
  assert.equal(good.code, 0, good.stderr);
  const config = JSON.parse(readFileSync(at('configured', 'config.json'), 'utf8'));
  assert.deepEqual([config.epochs, config.batch, config.augment.flip], [1, 2, false]);
  // A pipe gives it once, with the place of the run in it too.
  const text = JSON.stringify({ out: at('piped') });
  const piped = spawnSync('sh', [
    '-c',
    'printf %s "$2" | "$0" "$1" train --config /dev/stdin',
    process.execPath,
    bin,
    text,
  ]);
  assert.match(String(piped.stderr), /^vnet: required option '--data <dir>' not specified/);
  writeFileSync(at('wrong.json'), JSON.stringify({ epoch: 1 }));
  failed(await train('x', '--config', at('wrong.json')), /wrong\.json: .*epoch/, 2);
  writeFileSync(at('broken.json'), '{"epochs": ');
  failed(await train('x', '--config', at('broken.json')), /broken\.json: is not valid JSON/, 2);
});

test('bad input: one line that names the file and the way out, nothing overwritten', async () => {
  const weights = at('run', 'last.safetensors');
  const saved = readFileSync(weights);
  failed(await train('run', '--epochs', '1'), /run: holds a run already; go on with --resume/);
  assert.deepEqual(readFileSync(weights), saved);
  failed(await vnetHere(['train', '--data', at('gone'), '--out', at('x')]), /gone: no such data set folder/);
  failed(
    await train('x', '--size', '16384x16384', 'crop', '--batch', '4'),
    /needs \d+ MiB.*(--batch|--size|smaller images)/,
  );
  failed(await train('x', '--classes', '5'), /has 19 classes, not --classes 5/, 2);

  copyFileSync(weights, at('cut.safetensors'));
  truncateSync(at('cut.safetensors'), 100_000);
  failed(await vnetHere(['info', at('cut.safetensors')]), /cut\.safetensors: .*(truncated|damaged)/);
  writeFileSync(at('foreign.safetensors'), 'not a model at all');
  failed(
    await vnetHere(['info', at('foreign.safetensors')]),
    /foreign\.safetensors: is not a safetensors file/,
  );

  const predict = (file: string) => vnetHere(['predict', '--model', at('run'), at(file), '--out', at('bad')]);
  writeFileSync(at('empty.png'), '');
  failed(await predict('empty.png'), /empty\.png: the file is empty/);
  writeFileSync(at('text.jpg'), 'hello');
  failed(await predict('text.jpg'), /text\.jpg: cannot be decoded/);
  await writeRgbPng(at('tiny.png'), { width: 20, height: 40, data: new Uint8Array(2400) });
  failed(await predict('tiny.png'), /tiny\.png: size 40x20: expected at least 32x32/);
  failed(await predict('gone.png'), /gone\.png: no such picture or folder/);
  failed(
    await vnetHere(['eval', '--model', at('cut.safetensors'), '--data', at('scenes')]),
    /cut\.safetensors: .*(truncated|damaged)/,
  );
  failed(
    await train('x', '--init', at('foreign.safetensors')),
    /foreign\.safetensors: is not a safetensors file/,
  );
  assert.ok(!existsSync(at('x')), 'a run that cannot start leaves no folder');
  assert.ok(!existsSync(at('bad')) || readdirSync(at('bad')).length === 0);
});

test('a damaged last checkpoint: the one before is taken, or nothing is lost', async () => {
  mkdirSync(at('damaged'));
  for (const name of ['config.json', 'metrics.jsonl', 'last.safetensors']) {
    copyFileSync(at('run', name), at('damaged', name));
  }
  truncateSync(at('damaged', 'last.safetensors'), 1000);
  const bytes = readFileSync(at('damaged', 'last.safetensors'));
  const resume = () =>
    vnetHere(['train', '--out', at('damaged'), '--resume', '--no-report', '--threads', '1']);
  failed(await resume(), /damaged.last\.safetensors: .*(truncated|damaged)/);
  assert.deepEqual(readFileSync(at('damaged', 'last.safetensors')), bytes);
  copyFileSync(at('run', 'last.safetensors'), at('damaged', 'last.prev.safetensors'));
  const { code, stderr } = await resume();
  assert.equal(code, 0, stderr);
  assert.match(stderr, /note: .*going on from the checkpoint before it/);
  assert.deepEqual(readFileSync(at('damaged', 'last.damaged.safetensors')), bytes);
});

test('bad images of a data set: the file and what is wrong', async () => {
  const side = { width: 64, height: 48 };
  const set = async (name: string, spoil: (image: string, labels: string) => void | Promise<void>) => {
    for (const kind of ['images', 'labels']) mkdirSync(at(name, kind, 'train'), { recursive: true });
    writeFileSync(at(name, 'classes.json'), JSON.stringify({ names: ['road', 'car'] }));
    const files = ['images', 'labels'].map((kind) => at(name, kind, 'train', 'a.png'));
    await writeRgbPng(files[0], { ...side, data: new Uint8Array(64 * 48 * 3) });
    await writeLabelPng(files[1], { ...side, data: new Uint8Array(64 * 48) });
    await spoil(files[0], files[1]);
    return train(`${name}-run`, '--data', at(name), '--batch', '1', '--epochs', '1', '--workers', '1');
  };
  failed(await set('empty', (image) => writeFileSync(image, '')), /images.train.a\.png: the file is empty/);
  failed(
    await set('text', (_, labels) => writeFileSync(labels, 'hello')),
    /labels.train.a\.png: labels must be PNG/,
  );
  failed(await set('cut', (image) => truncateSync(image, 60)), /images.train.a\.png: /);
  const tiny = { width: 20, height: 40 };
  const small = await set('small', async (image, labels) => {
    await writeRgbPng(image, { ...tiny, data: new Uint8Array(2400) });
    await writeLabelPng(labels, { ...tiny, data: new Uint8Array(800) });
  });
  failed(small, /a\.png: is 40×20, but the network needs at least 32×32/);
  // Only a size is known before the first step.
  assert.ok(!existsSync(at('small-run')));
});

test('bad labels: the file, the value, how many pixels', async () => {
  const side = { width: 64, height: 48 };
  const image = { ...side, data: new Uint8Array(64 * 48 * 3) };
  const set = async (
    name: string,
    labels: { width: number; height: number; data: Uint8Array } | undefined,
  ) => {
    mkdirSync(at(name, 'images', 'train'), { recursive: true });
    writeFileSync(at(name, 'classes.json'), JSON.stringify({ names: ['road', 'car'] }));
    for (const each of ['a', 'b']) {
      await writeRgbPng(at(name, 'images', 'train', `${each}.png`), image);
      const own = each === 'a' ? labels : { ...side, data: new Uint8Array(64 * 48) };
      if (own) await writeLabelPng(at(name, 'labels', 'train', `${each}.png`), own);
    }
    return train(`${name}-run`, '--data', at(name), '--epochs', '1', '--workers', '1');
  };
  const values = new Uint8Array(64 * 48);
  values.fill(9, 0, 17);
  failed(await set('values', { ...side, data: values }), /a\.png: label value 9 \(17 pixels\)/);
  failed(
    await set('sizes', { width: 32, height: 48, data: new Uint8Array(32 * 48) }),
    /a\.png: labels are 48×32 but the image a\.png is 48×64/,
  );
  failed(await set('missing', undefined), /a\.png: has no labels, expected .*labels/);
});
