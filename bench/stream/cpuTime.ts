import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** What a run of the command line said and took; seconds of processor time of itself and of what it started. */
export interface Run {
  readonly text: string;
  readonly own: number;
  readonly started: number;
}

/** Ticks of a second in `/proc`, everywhere. */
const ticks = 100;

/** Told at the end of a process: user and system time of its own, and of the children it has waited for. */
const hook = (file: string): string =>
  `data:text/javascript,${encodeURIComponent(
    `import fs from 'node:fs';
     process.on('exit', () => fs.writeFileSync(${JSON.stringify(file)}, fs.readFileSync('/proc/self/stat')));`,
  )}`;

/**
 * Runs a script of Node.
 * @param stdin a file.
 */
export function timedRun(folder: string, args: readonly string[], stdin?: string): Run {
  const file = path.join(folder, 'stat');
  const input = stdin === undefined ? 'ignore' : openSync(stdin, 'r');
  const text = execFileSync(process.execPath, ['--import', hook(file), ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: [input, 'pipe', 'ignore'],
  });
  if (input !== 'ignore') closeSync(input);
  // After the name in brackets: fields 14 to 17 of all (proc(5)).
  const fields = readFileSync(file, 'latin1').split(') ')[1].split(' ').map(Number);
  const [user, system, childUser, childSystem] = fields.slice(11, 15);
  return { text, own: (user + system) / ticks, started: (childUser + childSystem) / ticks };
}
