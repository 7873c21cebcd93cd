// Gathers what a page loads beside its script in one folder, `build/assets`, for those whose bundler does not follow
// `new URL(…, import.meta.url)`: kernels, worker, model.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';

new Command('build-assets')
  .description('Gathers what a page loads beside its script in build/assets.')
  .allowExcessArguments(false)
  .parse();

const runtime = 'build/src/backends/wasm/runtime';
const files = [
  'build/wasm/plain.wasm',
  'build/wasm/relaxed.wasm',
  ...['webWorker', 'worker', 'thread', 'barrier'].map((name) => `${runtime}/${name}.js`),
  'models/vnet-camvid.safetensors',
];
mkdirSync('build/assets', { recursive: true });
for (const file of files) {
  const bytes = readFileSync(file);
  const content = file.endsWith('.js')
    ? bytes.toString().replace(/^\/\/# sourceMappingURL=.*\n?/m, '') // the maps stay where they are
    : bytes;
  writeFileSync(`build/assets/${file.split('/').at(-1)}`, content);
}
