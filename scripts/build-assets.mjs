// Gathers what a page loads beside its script in one folder, `build/assets`, for those whose bundler does not follow
// `new URL(…, import.meta.url)`: kernels, model, and the worker with all that it imports in one file.
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { Command } from 'commander';
import { build } from 'esbuild';

new Command('build-assets')
  .description('Gathers what a page loads beside its script in build/assets.')
  .allowExcessArguments(false)
  .parse();

const folder = 'build/assets';
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const file of ['build/wasm/plain.wasm', 'build/wasm/relaxed.wasm', 'models/vnet-camvid.safetensors']) {
  copyFileSync(file, `${folder}/${file.split('/').at(-1)}`);
}
await build({
  entryPoints: ['build/src/backends/wasm/runtime/webWorker.js'],
  ...{ bundle: true, format: 'esm', target: 'es2022', outdir: folder, logLevel: 'warning' },
});
