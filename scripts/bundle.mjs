// Makes a folder that runs `bench/gpu` on a machine with a GPU and nothing else: node, the built code, Dawn.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const root = fileURLToPath(new URL('..', import.meta.url));
const platform = `${process.platform}-${process.platform === 'darwin' ? 'universal' : process.arch}`;
const flags = new Command('bundle')
  .description(
    'Makes a folder that runs bench/gpu on a machine with a GPU and nothing else: node, the built code, Dawn.',
  )
  .option('--out <folder>', 'writes FOLDER and FOLDER.tar.gz', `build/vnet-gpu-${platform}`)
  .addHelpText('after', '\nExample:\n  npm run bundle -- --out /tmp/vnet-gpu')
  .parse()
  .opts();
const out = path.resolve(flags.out);
const most = 60 * 2 ** 20;

const fail = (message) => {
  console.error(message);
  process.exit(1);
};
const from = (file) => {
  const full = path.join(root, file);
  if (!existsSync(full)) fail(`${file}: missing; run npm ci and npm run build`);
  return full;
};
const copy = (file, to = file, options = {}) =>
  cpSync(from(file), path.join(out, to), { recursive: true, ...options });
const isCode = (file) => !/\.(d\.[cm]?ts|map|[cm]?ts)$/.test(file) || statSync(file).isDirectory();

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
const node = process.platform === 'win32' ? 'node.exe' : 'node';
cpSync(process.execPath, path.join(out, node));
if (process.platform !== 'win32') spawnSync('strip', [path.join(out, node)], { stdio: 'ignore' });
copy('package.json');
copy('LICENSE');
for (const part of ['src', 'bench']) copy(`build/${part}`, `build/${part}`, { filter: isCode });
copy('bench/gpu/torch_gpu.py');
copy('bench/peers/torch_vnet.py');
for (const name of ['commander', 'valibot', 'zod'])
  copy(`node_modules/${name}`, `node_modules/${name}`, { filter: isCode });
for (const file of ['package.json', 'index.js', 'LICENSE.md', `dist/${platform}`]) {
  copy(`node_modules/webgpu/${file}`);
}
const run = path.join(out, 'bench-gpu.sh');
writeFileSync(run, '#!/bin/sh\ncd "$(dirname "$0")" && exec ./node build/bench/gpu/main.js "$@"\n');
chmodSync(run, 0o755);

const archive = `${out}.tar.gz`;
const tar = spawnSync('tar', ['-czf', archive, '-C', path.dirname(out), path.basename(out)], {
  stdio: 'inherit',
});
if (tar.status !== 0) fail('tar failed');
const { size } = statSync(archive);
console.log(`${archive}: ${(size / 2 ** 20).toFixed(1)} MiB`);
if (size > most) fail(`expected at most ${most / 2 ** 20} MiB`);
