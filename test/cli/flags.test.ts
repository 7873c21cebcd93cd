import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { withFlags } from '../../src/cli/flags.js';

test("options in the library's messages become flags", () => {
  const shown: Record<string, string> = {
    'lower `batch`, or `validateEvery: 0`': 'lower --batch, or --validate-every 0',
    "`gpu: 'no such'`: use `device: 'wasm'`": '--gpu no such: use --device wasm',
    '`window: [512, 1024]` fits; go on with `resume`, or `resume: true`':
      '--window 512x1024 fits; go on with --resume, or --resume',
    'a`b/c.png: cannot be read': 'a`b/c.png: cannot be read',
  };
  for (const [message, expected] of Object.entries(shown)) assert.equal(withFlags(message), expected);
});

test('no message below the command line names a flag', () => {
  const sources = new URL('../../../src/', import.meta.url);
  const files = (readdirSync(sources, { recursive: true }) as string[]).filter(
    (file) => file.endsWith('.ts') && !/^(cli|report)[\\/]|kernels[\\/]/.test(file),
  );
  assert.ok(files.length > 100);
  for (const file of files) {
    for (const line of readFileSync(new URL(file, sources), 'utf8').split('\n')) {
      const code = line.replace(/^\s*(\/\/|\*|\/\*).*$/, '').replace(/setFlagsFromString\(.*\)/, '');
      assert.doesNotMatch(code, /(?<![\w-])--[a-z]{2,}[a-z-]*(?![\w.([-])/, `${file}: ${line.trim()}`);
    }
  }
});
