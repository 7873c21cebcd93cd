import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'vite';
import { defineConfig } from 'vite';

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

/** The service worker, with the names of all files of this build and a version that changes with them. */
const serviceWorker: Plugin = {
  name: 'service-worker',
  apply: 'build',
  generateBundle(_, bundle) {
    const names = Object.keys(bundle).filter((name) => !name.endsWith('.map'));
    const files = [
      './',
      './icon.svg',
      ...names.filter((name) => name !== 'index.html').map((name) => `./${name}`),
    ];
    const hash = createHash('sha256');
    for (const name of names.sort()) {
      const file = bundle[name];
      hash.update(name).update(file.type === 'chunk' ? file.code : file.source);
    }
    const source = readFileSync(here('sw.js'), 'utf8')
      .replace('__VERSION__', hash.digest('hex').slice(0, 16))
      .replace('__FILES__', JSON.stringify(files));
    this.emitFile({ type: 'asset', fileName: 'sw.js', source });
  },
};

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};

export default defineConfig({
  root: here('.'),
  // Any folder of any host.
  base: './',
  build: {
    outDir: here('../build/site'),
    emptyOutDir: true,
    target: 'es2022',
    modulePreload: { polyfill: false },
  },
  worker: { format: 'es' },
  server: { headers: isolation },
  preview: { headers: isolation },
  plugins: [serviceWorker],
});
