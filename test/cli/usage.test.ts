import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { createProgram } from '../../src/cli/program.js';
import { vnet, vnetHere } from './vnet.js';

/** Every command as the words that call it. */
async function commandWords(): Promise<string[][]> {
  const walk = (command: Awaited<ReturnType<typeof createProgram>>, words: string[]): string[][] =>
    command.commands.flatMap((child) => {
      const own = [...words, child.name()];
      return [own, ...walk(child, own)];
    });
  return walk(await createProgram(), []);
}

test('every command has help with an example that calls it', async () => {
  const commands = await commandWords();
  for (const name of [
    'train',
    'eval',
    'predict',
    'plan',
    'bench',
    'synth',
    'info',
    'demo',
    'compare',
    'data check',
  ]) {
    assert.ok(
      commands.some((words) => words.join(' ') === name),
      `vnet ${name} exists`,
    );
  }
  const program = await createProgram();
  for (const words of commands) {
    let command = program;
    for (const word of words) command = command.commands.find((child) => child.name() === word)!;
    let text = '';
    command.configureOutput({
      writeOut: (part) => {
        text += part;
      },
    });
    command.outputHelp();
    assert.match(text, new RegExp(`Usage: vnet ${words.join(' ')}`));
    if (command.commands.length === 0) {
      assert.match(text, new RegExp(`Examples?:\\n  vnet ${words.join(' ')}[ \\n]`));
    }
  }
});

test('help, version and no command at all', async () => {
  const [help, version, nothing] = await Promise.all([vnet(['--help']), vnet(['--version']), vnet([])]);
  assert.equal(help.code, 0);
  assert.match(help.stdout, /Usage: vnet/);
  assert.equal(help.stderr, '');
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'));
  assert.equal(version.stdout.trim(), manifest.version);
  assert.equal(nothing.code, 2);
  assert.match(nothing.stderr, /Usage: vnet/);
});

const misuse: [string, RegExp][] = [
  ['plam', /unknown command 'plam'.*plan/],
  ['plan --bacth 3', /unknown option '--bacth'.*--batch/],
  ['plan --batch 0', /--batch.*'0'.*from 1/],
  ['plan --batch 1.5', /--batch.*'1.5'.*whole number/],
  ['plan --batch', /--batch <n>' argument missing/],
  ['plan --size 10x10', /--size.*32 to 16384.*512x1024/],
  ['plan --size 512', /--size.*HEIGHTxWIDTH/],
  ['plan --policy revers', /--policy.*reversible, checkpoint, save/],
  ['plan extra', /too many arguments/],
  ['plan --net unet', /--net.*'unet'.*vnet, enet, espnet/],
  ['plan --net enet --alpha 2', /--alpha: only vnet/],
  ['eval --net unet', /--net.*'unet'/],
  ['fig6 --shares 25,0', /--shares.*from 1 to 100/],
  ['synth', /--out <dir>' not specified/],
  ['synth --out x --val 1', /--val.*at most 0.9/],
  ['train --data x', /--out <dir>' not specified/],
  ['train --out x', /--data <dir>' not specified/],
  ['train --data x --out y --lr 0', /--lr.*greater than 0/],
  ['train --data x --out y --lr fast', /--lr.*Expected a number/],
  ['train --data x --out y --size full crop', /--size.*HxW crop/],
  ['train --data x --out y --scale 2,1', /--scale.*0.75,1.75/],
  ['train --data x --out y --class-weights enet:0.5', /--class-weights.*above 1/],
  ['train --data x --out y --loss ce+iou', /--loss.*ce, focal, boundary, dice, lovasz/],
  ['train --data x --out y --loss ce:0', /--loss.*shares above 0/],
  ['train --data x --out y --loss ce+ce', /--loss/],
  ['eval --model x', /--data <dir>' not specified/],
  ['eval --model x --data y --confusion c.txt', /--confusion c.txt.*\.csv or \.json/],
  ['predict --model x', /give pictures or folders to predict, or a data set with --data/],
  ['train --data x --out y --momentum 1', /--momentum.*at most 0.999999/],
  ['study resolution --data x', /--out <dir>' not specified/],
  ['predict --model x y --scales 1,,2', /--scales.*0.75,1,1.25/],
  ['compare x --out page.txt', /--out page.txt.*\.html/],
];

test('wrong usage: exit code 2, one line that says what was expected', async () => {
  for (const [line, pattern] of misuse) {
    const { code, stdout, stderr } = await vnetHere(line.split(' '));
    assert.equal(code, 2, `${line}: ${stderr}`);
    assert.match(stderr, pattern, line);
    assert.match(stderr, /^vnet: [^\n]+\n$/, `${line}: one line, no stack trace`);
    assert.equal(stdout, '', line);
  }
});

test('a pipe gets plain text in a CI system too, and colours where they are asked for', async () => {
  const args = ['predict', '/gone/x.png'];
  const plain = 'vnet: ';
  assert.ok((await vnet(args, { CI: 'true', NO_COLOR: '', FORCE_COLOR: '' })).stderr.startsWith(plain));
  assert.ok((await vnet(args, { FORCE_COLOR: '1' })).stderr.startsWith(plain), 'NO_COLOR decides');
  const { stderr } = await vnet(args, { NO_COLOR: '', FORCE_COLOR: '1' });
  assert.ok(stderr.startsWith('\x1b[31mvnet:\x1b[39m '), stderr);
});

test('a closed pipe is no error', async () => {
  const bin = new URL('../../../bin/vnet.js', import.meta.url).pathname;
  const child = spawn('sh', ['-c', `"${process.execPath}" "${bin}" plan --size 64x64 --json | head -n 1`], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  await new Promise((resolve) => child.on('close', resolve));
  assert.equal(stderr, '');
});
