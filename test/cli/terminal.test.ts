import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import pc from 'picocolors';
import { fitLine } from '../../src/cli/progress.js';
import { Stopped } from '../../src/cli/stopped.js';
import { printable, printableStyled } from '../../src/cli/terminal.js';
import { writeLabelPng, writeRgbPng } from '../../src/data/image.js';
import { Rng } from '../../src/data/rng.js';
import { bin, drawScenes, start, temporaryFolder, vnet } from './vnet.js';

const hasScript = spawnSync('script', ['--version']).stdout?.includes('util-linux') ?? false;
const folder = temporaryFolder();
const at = (...parts: string[]) => path.join(folder, ...parts);

/** Anything that would move a cursor, set a title, hide or turn text. */
const raw = /(?![\n\t])[\p{Cc}\p{Bidi_Control}]/u;

test('random text keeps its letters, and nothing of it controls a terminal', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 1e6);
  const r = Rng.of(seed);
  for (let round = 0; round < 500; round++) {
    const codes = Array.from({ length: 40 }, () => (r.chance(0.5) ? r.int(0xa0) : r.int(0xd800)));
    const text = String.fromCharCode(...codes);
    const shown = printable(text);
    assert.doesNotMatch(shown, raw, `seed ${seed}, round ${round}`);
    assert.equal(JSON.parse(printable(JSON.stringify(text))), text, 'printed JSON says the same');
    const styled = printableStyled(text.replaceAll('\r', ''));
    assert.doesNotMatch(stripVTControlCharacters(styled), raw);
  }
});

test('what the program itself sends passes, what it never sends does not', () => {
  const { bold, red } = pc.createColors(true);
  const styled = bold(red('x'));
  assert.equal(printableStyled(styled), styled);
  for (const foreign of [
    '\x1b]0;title\x07',
    '\x1b[2;3H',
    '\x1b[?1049h',
    '\x9b31m',
    '\x1bc',
    '\x1b]8;;http://x\x07y',
    '\x1b[2J',
    '\x1b[1A\x1b[2Kall is well',
    '\x1b[8mhidden',
    '\rall is well',
    '\x1b8',
  ]) {
    assert.doesNotMatch(printableStyled(foreign), raw, JSON.stringify(foreign));
  }
});

test('a terminal shows the bar and no code', {
  skip: !hasScript && 'no `script` of util-linux',
}, async () => {
  const pictures = at('bar');
  mkdirSync(pictures);
  const size = { width: 48, height: 32 };
  for (const name of ['a', 'b\x1b[2J'])
    await writeRgbPng(path.join(pictures, `${name}.png`), { ...size, data: new Uint8Array(3 * 48 * 32) });
  const line = ['predict', pictures, '--out', at('bar-labels'), '--device', 'wasm'];
  const { stdout } = spawnSync('script', ['-qec', [process.execPath, bin, ...line].join(' '), '/dev/null'], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '', FORCE_COLOR: '', TERM: 'xterm' },
  });
  const shown = stdout.replaceAll('b\\u001b[2J.png', 'name');
  assert.match(shown, /images .*█.* 2\/2/s, stdout);
  assert.ok(shown.lastIndexOf('\x1b[?25h') > shown.indexOf('\x1b[?25l'), 'the cursor is shown again');
  assert.doesNotMatch(shown, /\\u00/, 'codes of the bar are no text');
  assert.ok(!stdout.includes('\x1b[2J'), 'nothing of a name');
});

const evil = 'a\x1b]0;owned\x07\x1b[2J\u202egnp';

test('names of files and classes with escape sequences are printed escaped, everywhere', async () => {
  const data = at(`set-${evil}`);
  for (const split of ['train', 'val']) {
    for (const part of ['images', 'labels']) mkdirSync(path.join(data, part, split), { recursive: true });
    for (const name of ['b', evil]) {
      const size = { width: 48, height: 32 };
      const values = new Uint8Array(48 * 32).map((_, i) => i % 2);
      await writeRgbPng(path.join(data, 'images', split, `${name}.png`), {
        ...size,
        data: new Uint8Array(3 * 48 * 32),
      });
      await writeLabelPng(path.join(data, 'labels', split, `${name}.png`), { ...size, data: values });
    }
  }
  writeFileSync(path.join(data, 'classes.json'), JSON.stringify({ names: [`road ${evil}`, 'car'] }));
  const out = at(`run-${evil}`);
  const bad = at(`${evil}.jpg`);
  writeFileSync(bad, 'no picture');
  const trained = await vnet([
    ...['train', '--data', data, '--out', out, '--epochs', '1', '--batch', '1', '--threads', '1'],
  ]);
  assert.equal(trained.code, 0, trained.stderr);
  const rest = await Promise.all([
    vnet(['eval', '--model', out, '--data', data, '--threads', '1']),
    vnet(['info', out]),
    vnet(['info', out, '--json']),
    vnet(['data', 'check', data]),
    vnet(['predict', '--model', out, data, bad, '--out', at('p'), '--threads', '1']),
    vnet(['compare', out, '--out', at('page.html'), '--threads', '1']),
    vnet(['predict', bad]),
    vnet(['plan', `--${evil}`]),
  ]);
  for (const { stdout, stderr } of [trained, ...rest]) {
    assert.doesNotMatch(stdout, raw);
    assert.doesNotMatch(stderr, raw);
  }
  assert.match(rest[1].stdout, /road a\\u001b\]0;owned\\u0007/);
  assert.equal(JSON.parse(rest[2].stdout).classes.names[0], `road ${evil}`);
});

test('a line of progress fits its window; the time left stays longest', () => {
  const notes = ['2 h 03 min left', 'epoch 127/300', 'loss 0.523', '3.12 images/s', '512.0 MiB'];
  const whole = ({ before, after, bar }: ReturnType<typeof fitLine>) => before + '█'.repeat(bar) + after;
  for (let columns = 20; columns < 160; columns++) {
    const line = whole(fitLine('steps ', ' 12000/88000', notes, columns));
    assert.ok(line.length <= columns, `${columns}: ${line}`);
    if (columns >= 50) assert.match(line, /2 h 03 min left/);
  }
  const usual = whole(fitLine('steps ', ' 12000/88000', notes, 79));
  assert.match(usual, /█{8,} 12000\/88000 {2}2 h 03 min left · epoch 127\/300 · loss 0\.523$/);
});

test('a command to copy is one that a shell reads back', () => {
  const stopped = new Stopped('stopped', ['vnet', 'train', '--out', "it's here/run 1", '--resume']);
  assert.equal(stopped.command, "vnet train --out 'it'\\''s here/run 1' --resume");
});

test('a closed connection saves as a request to end does', async () => {
  await drawScenes(at('scenes'), '32x32');
  const running = start([
    ...['train', '--data', at('scenes'), '--out', at('hup'), '--batch', '1', '--threads', '1'],
    ...['--epochs', '1000', '--no-report'],
  ]);
  await running.seen(/epoch 1\/1000: mIoU/);
  running.interrupt('SIGHUP');
  const { code, stderr } = await running.ended;
  assert.equal(code, 1);
  assert.match(
    stderr,
    /stopped after step \d+, saved in \S+; go on with:\n {2}vnet train --out \S+ --resume\n$/,
  );
});
