// Runs the compiled tests: `node scripts/test.mjs [FILTER…]`, where a filter is part of a path (`graph`, `wasm`).
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';

const all = readdirSync('build/test', { recursive: true })
  .map((file) => `build/test/${file}`)
  .filter((file) => file.endsWith('.test.js'))
  .sort();
const filters = process.argv.slice(2);
const files = filters.length === 0 ? all : all.filter((file) => filters.some((part) => file.includes(part)));
if (files.length === 0) {
  console.error(`no test matches ${filters.join(' ')}`);
  process.exit(1);
}
const { status } = spawnSync(
  process.execPath,
  ['--test', '--test-reporter=spec', '--test-concurrency=2', ...files],
  { stdio: 'inherit' },
);
process.exit(status ?? 1);
