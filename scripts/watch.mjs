// Compiles what changes, TypeScript and kernels, and runs tests after each compilation that succeeds.
import { spawn } from 'node:child_process';
import { watch } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

const { args: names } = new Command('watch')
  .description(
    'Compiles TypeScript and kernels as they change. With a NAME, runs its tests after each compilation.',
  )
  .argument('[name...]', 'tests to run, as `npm test` takes them')
  .addHelpText('after', '\nExamples:\n  npm run watch\n  npm run watch -- graph/plan')
  .parse();
const root = fileURLToPath(new URL('..', import.meta.url));
const script = (name, ...args) => [process.execPath, [`${root}scripts/${name}`, ...args]];

/** A program of which at most one runs: started again while it runs, it is run once more when it ends. */
function rerunnable([program, args], then = () => undefined) {
  let running = false;
  let again = false;
  return function start() {
    if (running) {
      again = true;
      return;
    }
    running = true;
    spawn(program, args, { cwd: root, stdio: 'inherit' }).on('close', (status) => {
      running = false;
      if (again) {
        again = false;
        start();
      } else if (status === 0) then();
    });
  };
}

const test = names.length > 0 ? rerunnable(script('test.mjs', ...names)) : () => undefined;
const kernels = rerunnable(script('build-wasm.mjs'), test);
let settled;
watch(`${root}src/backends/wasm/kernels`, { recursive: true }, () => {
  // An editor's save is several events.
  clearTimeout(settled);
  settled = setTimeout(kernels, 100);
});

const compiler = spawn(
  process.execPath,
  [`${root}node_modules/typescript/bin/tsc`, '-p', 'tsconfig.json', '--watch', '--preserveWatchOutput'],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
);
compiler.stdout.on('data', (text) => {
  process.stdout.write(text);
  if (/Found 0 errors/.test(text)) kernels();
});
compiler.on('close', (status) => process.exit(status ?? 1));
process.on('SIGINT', () => compiler.kill());
