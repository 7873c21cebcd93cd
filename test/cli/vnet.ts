import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCli } from '../../src/cli/program.js';

export const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  readonly ended: Promise<Ended>;
  /** Resolves when stderr has matched. */
  seen(pattern: RegExp): Promise<void>;
  interrupt(signal?: NodeJS.Signals): void;
}

/** Starts the command line as a process of its own, as a user does. */
export function start(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [bin, ...args], {
    env: { ...process.env, NO_COLOR: '1', VNET_DEBUG: '', VNET_VERIFY: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  const watchers: (() => void)[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    for (const watch of watchers) watch();
  });
  const ended = new Promise<Ended>((resolve, reject) => {
    child.on('error', reject).on('close', (code) => resolve({ code, stdout, stderr }));
  });
  return {
    ended,
    seen: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = () => {
          if (pattern.test(stderr)) resolve();
        };
        watchers.push(watch);
        watch();
        ended.then(() => reject(new Error(`ended without ${pattern}: ${stderr}`)), reject);
      }),
    interrupt: (signal = 'SIGINT') => child.kill(signal),
  };
}

/** Far more than any command of a test takes, on any machine. */
const longestMs = 300_000;

/** Runs the command line to its end; one that hangs is killed after five minutes, with a code of null. */
export async function vnet(args: readonly string[], env: Record<string, string> = {}): Promise<Ended> {
  const running = start(args, env);
  let hung = '';
  const watch = setTimeout(() => {
    hung = `vnet ${args.join(' ')}: hung and was killed\n`;
    running.interrupt('SIGKILL');
  }, longestMs);
  try {
    const ended = await running.ended;
    return { ...ended, stderr: hung + ended.stderr };
  } finally {
    clearTimeout(watch);
  }
}

/** Runs the command line in this process: what is refused at once takes less time so than a process takes to start. */
export async function vnetHere(args: readonly string[]): Promise<Ended> {
  const told = { stdout: '', stderr: '' };
  const restore = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const { write } = stream;
    const take = (part: string | Uint8Array): boolean => {
      // The runner of the tests writes bytes.
      if (typeof part !== 'string') return write.call(stream, part);
      told[name] += part;
      return true;
    };
    stream.write = take;
    return () => {
      stream.write = write;
    };
  });
  try {
    return { code: await runCli(args), ...told };
  } finally {
    for (const each of restore) each();
  }
}

/** Draws a small data set with a part of it for validation. @param size `HEIGHTxWIDTH`. */
export async function drawScenes(out: string, size: string, count = 4, val = 0.25): Promise<void> {
  const { code, stderr } = await vnet([
    'synth',
    '--out',
    out,
    '--size',
    size,
    ...['--count', `${count}`, '--val', `${val}`],
  ]);
  assert.equal(code, 0, stderr);
}

/** A folder that is gone after the tests of the file; call it at the top of the file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'vnet-cli-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
