import { readFileSync } from 'node:fs';

/** Version from the package file, which lies above both `src/cli` and `build/src/cli`. */
export function version(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
