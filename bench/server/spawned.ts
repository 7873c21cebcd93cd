import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const bin = fileURLToPath(new URL('../../../bin/vnet.js', import.meta.url));

/** A server in a process of its own. */
export interface Spawned {
  readonly url: string;
  /** Resident memory of the process now, in bytes; 0 where the system does not tell. */
  rss(): number;
  /** The most it had so far. */
  peakRss(): number;
  /** Ends it; resolves with the exit code, `null` after a signal. */
  end(signal?: NodeJS.Signals): Promise<number | null>;
  /** Set when it ended by itself. */
  readonly died: () => boolean;
  /** What it wrote to stderr, its last 64 KiB. */
  readonly log: () => string;
}

/** Starts `vnet serve` on a free port, or on `port`. */
export const spawnVnet = (args: readonly string[] = [], port = 0): Promise<Spawned> =>
  spawnServer(process.execPath, [bin, 'serve', '--port', String(port), '--log', 'warn', ...args]);

/** Starts a program that prints its URL on stdout when it listens. */
export function spawnServer(command: string, args: readonly string[]): Promise<Spawned> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  let asked = false;
  let died = false;
  child.stderr.on('data', (text: Buffer) => {
    log = (log + text).slice(-65536);
  });
  const ended = new Promise<number | null>((resolve) =>
    child.on('exit', (code) => {
      died = !asked;
      resolve(code);
    }),
  );
  const status = (field: string): number => {
    try {
      const text = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return 1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    } catch {
      return 0;
    }
  };
  return new Promise((resolve, reject) => {
    let out = '';
    child.stdout.on('data', (text: Buffer) => {
      out += text;
      const url = /http:\/\/[\w.:[\]]+/.exec(out)?.[0];
      if (!url) return;
      resolve({
        url,
        rss: () => status('VmRSS'),
        peakRss: () => status('VmHWM'),
        end(signal = 'SIGTERM') {
          asked = true;
          child.kill(signal);
          return ended;
        },
        died: () => died,
        log: () => log,
      });
    });
    ended.then((code) => reject(new Error(`the server ended with ${code}: ${log}`)));
  });
}
