/**
 * `npm run test:container`: the steps of the Dockerfile, run in a temporary folder where no container engine is at hand.
 * Paths of the container lie below that folder; `FROM`, `USER` and `EXPOSE` have no meaning here.
 */
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';

new Command('test:container')
  .description(
    'Runs the steps of the Dockerfile in a temporary folder, asks the server for a picture, stops it.',
  )
  .addHelpText('after', '\nExample:\n  npm run test:container')
  .parse();
const root = fileURLToPath(new URL('../../../', import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), 'vnet-container-'));
const port = 8080;

interface Step {
  readonly instruction: string;
  readonly text: string;
}

/** Lines of a Dockerfile, continued ones joined. */
const steps: Step[] = readFileSync(`${root}Dockerfile`, 'utf8')
  .replace(/\\\n/g, ' ')
  .split('\n')
  .filter((line) => line.trim() !== '' && !line.startsWith('#'))
  .map((line) => {
    const [instruction] = line.split(' ', 1);
    return { instruction, text: line.slice(instruction.length).trim() };
  });

function fail(message: string): never {
  console.error(message);
  process.exit(1);
}

/** Files that a build sees: what git tracks, as `.dockerignore` leaves out the rest. */
function context(to: string): void {
  const { stdout } = spawnSync('git', ['ls-files'], { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 });
  for (const file of stdout.split('\n').filter(Boolean)) cpSync(path.join(root, file), path.join(to, file));
}

const health = async (command: string): Promise<boolean> =>
  spawnSync('sh', ['-c', command], { stdio: 'inherit' }).status === 0;

async function main(): Promise<void> {
  let cwd = folder;
  const env: Record<string, string | undefined> = { ...process.env };
  let check = '';
  const inside = (file: string): string => path.join(file.startsWith('/') ? folder : cwd, file);
  for (const { instruction, text } of steps) {
    console.log(`${instruction} ${text}`);
    if (instruction === 'WORKDIR') {
      cwd = inside(text);
      mkdirSync(cwd, { recursive: true });
    } else if (instruction === 'COPY') {
      const [from, to] = text.replace(/^--from=\w+ /, '').split(' ');
      if (text === '. .') context(cwd);
      else cpSync(inside(from), path.join(inside(to), path.basename(from)));
    } else if (instruction === 'RUN') {
      const { status } = spawnSync('sh', ['-ec', text], { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] });
      if (status !== 0) fail(`RUN ${text}: ended with ${status}`);
    } else if (instruction === 'ENV') {
      const [name, value] = text.split('=');
      env[name] = value;
    } else if (instruction === 'HEALTHCHECK') {
      check = text.slice(text.indexOf('CMD ') + 4);
    } else if (instruction === 'ENTRYPOINT') {
      const [command, ...args] = JSON.parse(text) as string[];
      // Not on the networks of this machine.
      const local = args.map((arg) => (arg === '0.0.0.0' ? '127.0.0.1' : arg));
      const child = spawn(command, local, { cwd, env, stdio: 'inherit' });
      const ended = new Promise<number | null>((resolve) => child.on('exit', resolve));
      let healthy = false;
      for (let i = 0; i < 60 && !healthy; i++) {
        await sleep(500);
        healthy = await health(check);
      }
      if (!healthy) fail('HEALTHCHECK never succeeded');
      const picture = readFileSync(`${root}docs/images/demo.png`);
      const answer = await fetch(`http://127.0.0.1:${port}/v1/segment`, { method: 'POST', body: picture });
      if (answer.status !== 200) fail(`a picture was answered with ${answer.status}`);
      child.kill('SIGTERM');
      const code = await ended;
      if (code !== 0) fail(`after SIGTERM the server ended with ${code}`);
    } else if (!['FROM', 'USER', 'EXPOSE'].includes(instruction)) {
      fail(`${instruction}: this script does not know it`);
    }
  }
  console.log('all steps done; healthy, answers, stops');
}

try {
  await main();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
