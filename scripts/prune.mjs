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
const isSource = (name) => /(?<!\.d)\.tsx?$/.test(name);
for (const part of ['src', 'test', 'bench']) {
  const built = `${root}build/${part}`;
  if (!statSync(built, { throwIfNoEntry: false })) continue;
  const sources = readdirSync(`${root}${part}`, { recursive: true }).filter(isSource);
  const stems = new Set(sources.map((name) => name.replace(/\.tsx?$/, '')));
  const outdated = readdirSync(built, { recursive: true }).filter(
    (name) => compiled.test(name) && !stems.has(name.replace(compiled, '')),
  );
  for (const name of outdated) rmSync(`${built}/${name}`);
}
