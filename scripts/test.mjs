// Runs the compiled tests whose path contains one of the given names: `npm test -- graph/plan`.
// Graphs are verified after every pass, and every plan (VNET_VERIFY). What is printed has no colours, so that tests compare text.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { Command } from 'commander';

const command = new Command('test')
  .description(
    'Runs the tests of the files whose path under test/ contains NAME; without one, all of them.\n' +
      '`npm test` builds first, and lints too where all of them run.',
  )
  .argument('[name...]', 'part of a path, such as graph, graph/plan or wasm')
  .option('-t, --only <text>', 'only the tests whose own name contains this')
  .option('--build', 'compile first what has changed')
  .addHelpText('after', "\nExamples:\n  npm test -- graph/plan\n  npm test -- cli/usage -t 'unknown flag'")
  .parse();
const names = command.args;
const { only, build } = command.opts();

const env = { VNET_VERIFY: '1', NO_COLOR: '1', ...process.env };
delete env.FORCE_COLOR;

function run(program, ...args) {
  const { status } = spawnSync(program, args, { stdio: 'inherit', shell: process.platform === 'win32', env });
  if (status !== 0) process.exit(status ?? 1);
}

if (build) {
  if (names.length === 0) run('npm', 'run', '--silent', 'lint');
  run('npm', 'run', '--silent', 'build');
}
const files = readdirSync('build/test', { recursive: true })
  .map((file) => file.replaceAll('\\', '/'))
  .filter((file) => file.endsWith('.test.js'))
  .filter((file) => names.length === 0 || names.some((part) => file.includes(part)))
  .map((file) => `build/test/${file}`)
  .sort();
if (files.length === 0) command.error(`error: no test file has ${names.join(' or ')} in its path`);
const pattern = only ? [`--test-name-pattern=${only.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}`] : [];
// A file that hangs fails after twenty minutes, so that the others are told too (Node 22 and later: a test of it).
const runner = ['--test-reporter=spec', '--test-concurrency=2', `--test-timeout=${20 * 60_000}`];
run(process.execPath, '--test', ...runner, ...pattern, ...files);
