// Removes what an earlier build left of sources that are gone: compiled tests would still run, modules be packed.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

new Command('prune')
  .description('Removes compiled files whose source is gone.')
  .allowExcessArguments(false)
  .parse();

const root = fileURLToPath(new URL('..', import.meta.url));
const compiled = /\.(?:js|d\.ts)(?:\.map)?$/;
for (const part of ['src', 'test', 'bench']) {
  const built = `${root}build/${part}`;
  if (!statSync(built, { throwIfNoEntry: false })) continue;
  const sources = new Set(
    readdirSync(`${root}${part}`, { recursive: true }).map((name) => name.replace(/\.tsx?$/, '')),
  );
  for (const name of readdirSync(built, { recursive: true })) {
    const source = name.replace(compiled, '');
    if (!sources.has(source)) rmSync(`${built}/${name}`, { recursive: true, force: true });
  }
}
