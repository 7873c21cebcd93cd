import type { ChildProcess, StdioOptions } from 'node:child_process';
import { execFile, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../errors.js';

/** An ffmpeg that was found, and what it can. */
export interface Ffmpeg {
  readonly path: string;
  /** Its companion that looks into files. */
  readonly probe: string;
  /** Major and minor; of builds without a number, infinite. */
  readonly version: number;
  readonly encoders: ReadonlySet<string>;
  readonly filters: ReadonlySet<string>;
}

/** What streams need: times of frames by `showinfo` without checksums, and pass-through of frame times. */
const oldest = 4.4;

const howToInstall = 'install it (apt install ffmpeg, brew install ffmpeg, winget install ffmpeg)';

/**
 * Finds ffmpeg, a separate program that reads and writes media.
 * @param given its path; default: `ffmpeg` in PATH, `ffprobe` beside it.
 * @throws UserError where it is missing, is none, or too old.
 */
export async function findFfmpeg(given = 'ffmpeg'): Promise<Ffmpeg> {
  const ask = async (program: string, ...args: string[]): Promise<string> => {
    try {
      return (await promisify(execFile)(program, ['-hide_banner', ...args], { maxBuffer: 1 << 24 })).stdout;
    } catch (error) {
      const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
      throw new UserError(
        missing
          ? `${program}: not found; video needs ffmpeg: ${howToInstall}, or name it with \`ffmpeg\``
          : `${program}: cannot be run (${String((error as Error).message).split('\n')[0]}); ${howToInstall}`,
      );
    }
  };
  const probe = given.includes(path.sep)
    ? path.join(path.dirname(given), path.basename(given).replace('ffmpeg', 'ffprobe'))
    : 'ffprobe';
  const [told] = (await ask(given, '-version')).split('\n');
  if (!told.startsWith('ffmpeg version')) {
    throw new UserError(`${given}: is no ffmpeg (it says '${told.slice(0, 60)}'); ${howToInstall}`);
  }
  await ask(probe, '-version');
  const number = /^ffmpeg version n?(\d+)\.(\d+)/.exec(told);
  const version = number ? Number(`${number[1]}.${number[2]}`) : Number.POSITIVE_INFINITY;
  if (version < oldest) {
    throw new UserError(`${given}: is version ${version}; expected ${oldest} or newer: ${howToInstall}`);
  }
  const names = (list: string) =>
    new Set([...list.matchAll(/^ [A-Z.|]{3,6} +(\S+) /gm)].map(([, name]) => name));
  return {
    path: given,
    probe,
    version,
    encoders: names(await ask(given, '-encoders')),
    filters: names(await ask(given, '-filters')),
  };
}

/** The option that passes frame times through, by version. */
export const passthrough = ({ version }: Ffmpeg): string[] =>
  version >= 5.1 ? ['-fps_mode', 'passthrough'] : ['-vsync', 'passthrough'];

/** Of decoders and encoders: the cores are needed for the network, and frames of several threads cost up to a fifth more. */
export const mediaThreads = ['-threads', String(Math.max(1, Math.floor(availableParallelism() / 4)))];

/** Raw frames are "encoded" by threads too, of which each but one would hold a frame back. */
export const atOnce = ['-threads', '1', '-flush_packets', '1'];

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** A run of ffmpeg. */
export interface Run {
  readonly child: ChildProcess;
  /** Resolves when it has ended well. @throws UserError with its last complaint. */
  readonly ended: Promise<void>;
  /** Lines it complained in so far: damaged frames, lost packets. */
  readonly complaints: () => number;
}

/**
 * Starts ffmpeg, in a process group of its own: Ctrl-C is this program's to handle, so that files can be ended well.
 * @param onLine each line of its log.
 * @param name what is read or written, for messages.
 */
export function startFfmpeg(
  { path: program }: Ffmpeg,
  args: readonly string[],
  { stdio, name, onLine }: { stdio: StdioOptions; name: string; onLine?: (line: string) => void },
): Run {
  const child = spawn(program, ['-hide_banner', '-loglevel', 'level+info', '-nostats', ...args], {
    stdio,
    detached: process.platform !== 'win32',
  });
  running.add(child);
  let complaint = '';
  let complaints = 0;
  let rest = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    // A line without an end must not grow for ever.
    rest = lines.pop()!.slice(-65_536);
    for (const line of lines) {
      if (/\[(error|fatal|panic)\]/.test(line)) {
        complaints++;
        if (!/Conversion failed|Error while (filtering|processing)/.test(line) || !complaint) {
          complaint = line.replace(/\[[^\]]*\] ?/g, '').trim();
        }
      }
      onLine?.(line);
    }
  });
  const ended = new Promise<void>((resolve, reject) => {
    child.on('error', (error) => reject(new UserError(`${program}: cannot be run (${error.message})`)));
    child.on('close', (code, signal) => {
      running.delete(child);
      if (code === 0) resolve();
      else {
        const why = complaint || (signal ? `ended by ${signal}` : `exit code ${code}`);
        reject(new UserError(`${name}: ffmpeg: ${why}`));
      }
    });
  });
  // Whoever waits is told; nobody has to.
  ended.catch(() => undefined);
  return { child, ended, complaints: () => complaints };
}
