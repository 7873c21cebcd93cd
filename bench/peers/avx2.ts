import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

/** The source of what hides AVX-512; like all paths of a race, from the project's folder. */
const source = 'bench/peers/avx2.c';

/**
 * Environment in which programs find AVX2 on a machine that has AVX-512 (see `avx2.c`).
 * @param folder where the preloaded library is built.
 * @throws Error where that cannot be: not Linux on x86-64, no C compiler, or a processor that does not fault on CPUID.
 */
export function avx2Environment(folder: string): NodeJS.ProcessEnv {
  const fail = (why: string): never => {
    throw new Error(`--isa avx2: ${why}`);
  };
  if (process.platform !== 'linux' || process.arch !== 'x64') fail('only on Linux with an x86-64 processor');
  const library = join(folder, 'avx2.so');
  const built = spawnSync('cc', ['-O2', '-shared', '-fPIC', '-o', library, source, '-ldl'], {
    encoding: 'utf8',
  });
  if (built.error) fail('no C compiler `cc`; install one, such as the package gcc');
  if (built.status !== 0) fail(`cc could not build ${source}: ${built.stderr.trim()}`);
  const environment = {
    ...process.env,
    LD_PRELOAD: library,
    // The loader has asked CPUID before anything is preloaded, and chose the functions of libc.
    GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW',
  };
  const tried = spawnSync(process.execPath, ['-e', ''], { env: environment, encoding: 'utf8' });
  if (tried.status !== 0) fail(tried.stderr.trim() || 'a process did not start with it');
  return environment;
}
