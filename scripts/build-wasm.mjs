// Compiles the AssemblyScript kernels twice: `plain.wasm` (SIMD) and `relaxed.wasm` (SIMD with fused multiply-add). What paints
// overlays is a small module of its own, `paint.wasm`.
// Does nothing where neither the sources nor this script nor the compiler changed since the last time.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';
import { Command } from 'commander';

new Command('build-wasm')
  .description('Compiles the AssemblyScript kernels where something that decides them changed.')
  .allowExcessArguments(false)
  .parse();

const root = fileURLToPath(new URL('..', import.meta.url));
const shared = ['--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'];
const builds = {
  plain: ['index.ts', '--enable', 'simd,threads', ...shared],
  relaxed: ['index.ts', '--enable', 'simd,threads,relaxed-simd', ...shared],
  paint: ['paint.ts', '--enable', 'simd'],
};
const dataSection = 11;

/** Numbers of the sections of a wasm binary. */
function sections(bytes) {
  const found = [];
  for (let at = 8; at < bytes.length; ) {
    found.push(bytes[at++]);
    let size = 0;
    for (let shift = 0, byte = 128; byte & 128; shift += 7) {
      byte = bytes[at++];
      size |= (byte & 127) << shift;
    }
    at += size;
  }
  return found;
}

/** Of everything that decides the binaries. */
async function fingerprint() {
  const folder = `${root}src/backends/wasm/kernels/`;
  const names = (await readdir(folder, { recursive: true }))
    .filter((name) => /\.(ts|json)$/.test(name))
    .sort();
  const hash = createHash('sha256').update(asc.version);
  for (const file of [fileURLToPath(import.meta.url), ...names.map((name) => folder + name)]) {
    hash.update(`${file.slice(root.length)}\0`).update(await readFile(file));
  }
  return hash.digest('hex');
}

const stamp = `${root}build/wasm/sources.sha256`;
const print = await fingerprint();
const files = await Promise.all(
  [stamp, ...Object.keys(builds).map((name) => `${root}build/wasm/${name}.wasm`)].map((file) =>
    readFile(file).catch(() => undefined),
  ),
);
if (files.every(Boolean) && files[0].toString() === print) process.exit(0);

await mkdir(`${root}build/wasm`, { recursive: true });
for (const [name, [entry, ...flags]] of Object.entries(builds)) {
  const file = `build/wasm/${name}.wasm`;
  const { error, stderr } = await asc.main([
    `src/backends/wasm/kernels/${entry}`,
    ...['--baseDir', root, '--outFile', file, '--runtime', 'stub', '--use', 'abort='],
    ...['-O3', '--noAssert', '--converge', '--importMemory', ...flags],
  ]);
  process.stderr.write(stderr.toString());
  if (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
  // The low memory belongs to the threads' barrier: kernels keep their constants in code.
  if (sections(await readFile(root + file)).includes(dataSection)) {
    process.stderr.write(`${file}: kernels may have no static data\n`);
    process.exit(1);
  }
}
await writeFile(stamp, print);
