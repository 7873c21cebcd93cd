/**
 * One picture under every runtime that is at hand, as a program of its own: Node by ES modules and by CommonJS, and Bun
 * and Deno where `VNET_BUN` and `VNET_DENO`, or the search path, have them (npm: `@oven/bun-linux-x64`,
 * `@deno/linux-x64-glibc`).
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { encodeRgbPng } from '../../src/data/image.js';
import { predict, renderScene, shippedModel } from '../../src/index.js';

const folder = mkdtempSync(path.join(tmpdir(), 'vnet-runtimes-'));
after(() => rmSync(folder, { recursive: true, force: true }));

const body = `async function main({ Segmenter }) {
  const segmenter = await Segmenter.load({ device: 'wasm', threads: 2 });
  const { labels } = await segmenter.segment('scene.png');
  console.log(JSON.stringify({ device: segmenter.device, labels: [...labels] }));
  await segmenter.dispose();
}
`;
const { image } = renderScene(5, 0, 64, 96);
let expected: readonly number[] = [];

before(async () => {
  mkdirSync(path.join(folder, 'node_modules'));
  const root = fileURLToPath(new URL('../../..', import.meta.url));
  symlinkSync(root, path.join(folder, 'node_modules/vnet-segmentation'), 'junction');
  writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
  writeFileSync(path.join(folder, 'scene.png'), await encodeRgbPng(image));
  writeFileSync(path.join(folder, 'main.mjs'), `${body}await main(await import('vnet-segmentation'));\n`);
  writeFileSync(path.join(folder, 'require.cjs'), `${body}main(require('vnet-segmentation'));\n`);
  expected = [...(await predict(shippedModel, image, { device: 'wasm' })).data];
});

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0;
const bun = process.env.VNET_BUN ?? 'bun';
const deno = process.env.VNET_DENO ?? 'deno';
const { require_module: requires = false } = process.features as { require_module?: boolean };

const runtimes: readonly { name: string; command: readonly string[]; skip: false | string }[] = [
  { name: 'Node, ES modules', command: [process.execPath, 'main.mjs'], skip: false },
  {
    name: 'Node, CommonJS',
    command: [process.execPath, 'require.cjs'],
    skip: requires ? false : 'this Node cannot require ES modules (20.19 and 22.12 can)',
  },
  {
    name: 'Bun',
    command: [bun, 'run', 'main.mjs'],
    skip: has(bun) ? false : 'no Bun (install it, or set VNET_BUN to its path)',
  },
  {
    name: 'Deno',
    command: [deno, 'run', '--allow-all', '--node-modules-dir=manual', 'main.mjs'],
    skip: has(deno) ? false : 'no Deno (install it, or set VNET_DENO to its path)',
  },
];

for (const { name, command, skip } of runtimes) {
  test(`${name}: a picture segmented on two threads, with the labels of this process`, { skip }, () => {
    const [program, ...args] = command;
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: folder,
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(status, 0, stderr);
    const { device, labels } = JSON.parse(stdout.trim().split('\n').at(-1)!) as {
      device: { name: string; threads: number };
      labels: number[];
    };
    assert.deepEqual(device, { name: 'wasm', threads: 2 });
    assert.deepEqual(labels, expected);
  });
}
