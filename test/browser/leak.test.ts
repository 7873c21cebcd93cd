import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { hasChromium } from './serve.js';
import { root } from './site.js';

const skip = hasChromium ? false : 'no Chromium (install it, or set CHROMIUM to its path)';

/** `npm run leak:browser` over few frames; over many it is for people who have time. */
test('frames of changing sizes leave no plans, workers, listeners or memory behind', { skip }, () => {
  const script = path.join(root, 'build/bench/browser/leak.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, '--frames', '300'], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stdout + stderr);
  assert.equal(stdout.match(/^\| \d+ \|/gm)?.length, 4, stdout);
});
