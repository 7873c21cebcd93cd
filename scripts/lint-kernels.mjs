// Formats and lints the AssemblyScript kernels with Biome, whose parser takes no decorators of functions: they are comments
// meanwhile. Vectors side by side are stored by `storeBoth` of `lanes.ts`, which says why.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const { write } = new Command('lint-kernels')
  .description('Formats and lints the AssemblyScript kernels.')
  .option('--write', 'mend what can be mended')
  .addHelpText('after', '\nExample:\n  node scripts/lint-kernels.mjs --write')
  .parse()
  .opts();
const kernels = fileURLToPath(new URL('../src/backends/wasm/kernels/', import.meta.url));
const config = JSON.parse(readFileSync(new URL('../biome.json', import.meta.url), 'utf8'));
const off = (...rules) => Object.fromEntries(rules.map((rule) => [rule, 'off']));
/** What is another language's habit there: `==` compares values, types are imported like classes. */
const rules = {
  preset: 'recommended',
  correctness: off('noUnusedFunctionParameters', 'noPrecisionLoss'),
  suspicious: off('noDoubleEquals', 'noTsIgnore', 'noApproximativeNumericConstant'),
  style: off('useImportType'),
};

/** Two stores one after the other, of which the second goes 16 bytes behind the first. */
const storesSideBySide =
  /v128\.store\(([^,;]+),[^;]*?(?:, (\d+))?\);\s*v128\.store\(([^,;]+),[^;]*?, (\d+)\);/g;

/** Lines where a lower vector is stored before the upper one. */
const pairsIn = (text) =>
  [...text.matchAll(storesSideBySide)]
    .filter(([, to, at = '0', next, above]) => to === next && Number(above) === Number(at) + 16)
    .map(({ index }) => text.slice(0, index).split('\n').length);

const folder = mkdtempSync(join(tmpdir(), 'vnet-kernels-'));
try {
  const { formatter, javascript } = config;
  const settings = {
    root: true,
    formatter: { ...formatter, lineWidth: 120 },
    javascript,
    linter: { rules },
  };
  writeFileSync(join(folder, 'biome.json'), JSON.stringify(settings));
  const names = readdirSync(kernels, { recursive: true }).filter(
    // `pointwise.ts` is written by a script.
    (name) => name.endsWith('.ts') && name !== 'pointwise.ts',
  );
  for (const name of names) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(
      join(folder, name),
      readFileSync(kernels + name, 'utf8').replace(/^@inline$/gm, '//@inline'),
    );
  }
  const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome');
  const flags = ['check', ...(write ? ['--write'] : []), '--error-on-warnings', ...names];
  const { status } = spawnSync(process.execPath, [biome, ...flags], { cwd: folder, stdio: 'inherit' });
  if (write) {
    for (const name of names) {
      const text = readFileSync(join(folder, name), 'utf8').replace(/^\/\/@inline$/gm, '@inline');
      if (text !== readFileSync(kernels + name, 'utf8')) writeFileSync(kernels + name, text);
    }
  }
  process.exitCode = status ?? 1;
  for (const name of names) {
    for (const line of pairsIn(readFileSync(kernels + name, 'utf8'))) {
      process.stderr.write(
        `src/backends/wasm/kernels/${name}:${line}: store vectors side by side with storeBoth\n`,
      );
      process.exitCode = 1;
    }
  }
} finally {
  rmSync(folder, { recursive: true });
}
