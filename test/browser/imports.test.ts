import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Packages that a browser can load as they are. */
const allowed = new Set([
  'valibot',
  '@noble/hashes/sha2.js',
  '@noble/hashes/utils.js',
  '@petamoriken/float16',
]);

/** What the package's own names stand for in a browser. */
const own = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  .imports as Record<string, { browser: string }>;

/** `import … from 'x'`, `export … from 'x'`, `import('x')`. */
const importing = /(?:^(?:import|export)\s[\w\s{},*$]*from\s*|^import\s*|\bimport\()['"]([^'"]+)['"]/gm;

test('what the browser entry imports needs nothing of Node', () => {
  const seen = new Set<string>();
  const visit = (file: URL): void => {
    if (seen.has(file.href)) return;
    seen.add(file.href);
    const code = readFileSync(file, 'utf8');
    for (const [, name] of code.matchAll(importing)) {
      if (name in own) visit(new URL(own[name].browser, new URL('../../../', import.meta.url)));
      else if (name.startsWith('.')) visit(new URL(name, file));
      else assert.ok(allowed.has(name), `${file.pathname} imports ${name}`);
    }
  };
  visit(new URL('../../src/browser.js', import.meta.url));
  assert.ok(seen.size > 20, `only ${seen.size} modules`);
});
