// Compiles the AssemblyScript kernels twice: `plain.wasm` (SIMD) and `relaxed.wasm` (SIMD with fused multiply-add).
import { mkdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import asc from 'assemblyscript/asc';

const root = fileURLToPath(new URL('..', import.meta.url));
const builds = { plain: 'simd,threads', relaxed: 'simd,threads,relaxed-simd' };
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

await mkdir(`${root}build/wasm`, { recursive: true });
for (const [name, features] of Object.entries(builds)) {
  const file = `build/wasm/${name}.wasm`;
  const { error, stderr } = await asc.main([
    'src/backends/wasm/kernels/index.ts',
    ...['--baseDir', root, '--outFile', file, '--runtime', 'stub', '--use', 'abort='],
    ...['-O3', '--noAssert', '--converge', '--enable', features],
    ...['--importMemory', '--sharedMemory', '--initialMemory', '1', '--maximumMemory', '65536'],
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
