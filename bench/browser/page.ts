import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';

/** Writes a page to a folder: `index.html`, and the script with what it imports as `main.js`. */
export async function writePage(folder: string, script: string): Promise<void> {
  writeFileSync(
    path.join(folder, 'index.html'),
    '<!doctype html><title>vnet</title><script type="module" src="/main.js"></script>',
  );
  await build({
    stdin: { contents: script, resolveDir: folder },
    bundle: true,
    format: 'esm',
    target: 'es2022',
    conditions: ['browser'],
    outfile: path.join(folder, 'main.js'),
    logLevel: 'silent',
  });
}
