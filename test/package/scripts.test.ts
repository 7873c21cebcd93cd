import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** What a person starts: all of scripts/, and what bench/ has for a `main` or a race of kernels. */
const programs = [
  ...readdirSync(path.join(root, 'scripts')).map((name) => `scripts/${name}`),
  ...readdirSync(path.join(root, 'build/bench'), { recursive: true, encoding: 'utf8' })
    .filter((name) => /(^|[\\/])main\.js$|^kernels[\\/]conv\.js$/.test(name))
    .map((name) => `build/bench/${name}`),
];

const run = (program: string, flag: string) =>
  new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [path.join(root, program), flag], { cwd: root }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
    );
  });

test('scripts and benchmarks answer --help, and refuse an unknown flag in one line', async (t) => {
  assert.ok(programs.length >= 10, programs.join(' '));
  for (const program of programs) {
    await t.test(program, async () => {
      const [help, unknown] = await Promise.all([run(program, '--help'), run(program, '--no-such-flag')]);
      assert.equal(help.code, 0, help.stderr);
      assert.match(help.stdout, /^Usage: /);
      assert.equal(unknown.code, 1);
      assert.equal(unknown.stderr.trim(), "error: unknown option '--no-such-flag'");
    });
  }
});
