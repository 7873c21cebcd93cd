// Gathers what a page loads beside its script in one folder, `build/assets`, for those whose bundler does not follow
// `new URL(…, import.meta.url)`: kernels, worker, model.
import { copyFileSync, mkdirSync } from 'node:fs';

const runtime = 'build/src/backends/wasm/runtime';
const files = [
  'build/wasm/plain.wasm',
  'build/wasm/relaxed.wasm',
  ...['webWorker', 'worker', 'thread', 'barrier'].map((name) => `${runtime}/${name}.js`),
  'models/vnet-camvid.safetensors',
];
mkdirSync('build/assets', { recursive: true });
for (const file of files) copyFileSync(file, `build/assets/${file.split('/').at(-1)}`);
