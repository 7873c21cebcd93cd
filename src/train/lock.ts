import { promises as fs, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import * as v from 'valibot';
import { temporaryName, unwritable } from '../data/files.js';
import { UserError } from '../errors.js';

const ownerSchema = v.object({
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  host: v.string(),
  /** When the process began, in the system's own count; tells it from a later one with the same number. */
  began: v.optional(v.string()),
});
type Owner = v.InferOutput<typeof ownerSchema>;

/** Locks that this process holds. */
const held = new Set<string>();

/**
 * Makes a process the only one that trains into a run folder, by a file `run.lock` with its number. The lock of a
 * process that is gone is taken over.
 */
export class RunLock {
  private readonly file: string;
  private taken = false;
  private content = '';

  constructor(private readonly folder: string) {
    this.file = path.join(path.resolve(folder), 'run.lock');
  }

  /**
   * Takes the lock unless this object has it. The folder exists.
   * @returns the number of a process that is gone and left its lock, if any.
   * @throws UserError where another process trains there, or the file cannot be written.
   */
  async take(): Promise<number | undefined> {
    if (this.taken) return undefined;
    const { file, folder } = this;
    if (held.has(file)) throw takenBy(folder, { pid: process.pid, host: hostname() });
    const found = await readLock(file);
    const owner = found === undefined ? undefined : parse(found);
    if (owner && isAlive(owner)) throw takenBy(folder, owner);
    if (found !== undefined) await removeStale(folder, file, found);
    const me: Owner = { pid: process.pid, host: hostname(), began: statOf(process.pid)?.began };
    this.content = `${JSON.stringify(me)}\n`;
    try {
      await fs.writeFile(file, this.content, { flag: 'wx' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw takenBy(folder);
      throw unwritable(file, error);
    }
    this.taken = true;
    held.add(file);
    process.once('exit', this.onExit);
    return owner?.pid;
  }

  async release(): Promise<void> {
    if (!this.taken) return;
    this.taken = false;
    held.delete(this.file);
    process.off('exit', this.onExit);
    await fs.rm(this.file, { force: true }).catch(() => undefined);
  }

  /** Whether the lock that was taken is still in its folder: false where that was moved, deleted or replaced. */
  async isHeld(): Promise<boolean> {
    return (await fs.readFile(this.file, 'utf8').catch(() => undefined)) === this.content;
  }

  /** A process that is told to end at once leaves no lock. */
  private readonly onExit = (): void => {
    try {
      rmSync(this.file, { force: true });
    } catch {
      // The folder is gone, and the lock with it.
    }
  };
}

/** Whether a process trains into a run folder now. */
export async function isTraining(folder: string): Promise<boolean> {
  const text = await fs.readFile(path.join(folder, 'run.lock'), 'utf8').catch(() => '');
  const owner = parse(text);
  return owner !== undefined && (owner.pid === process.pid || isAlive(owner));
}

/** The file's text; a process that has just made it gets a moment to write into it. */
async function readLock(file: string): Promise<string | undefined> {
  const read = () => fs.readFile(file, 'utf8').catch(() => undefined);
  const text = await read();
  if (text === undefined || parse(text)) return text;
  await wait(200);
  return read();
}

/** Moves the file away and looks again: two processes may have found the same stale lock. */
async function removeStale(folder: string, file: string, found: string): Promise<void> {
  const aside = temporaryName(file);
  try {
    await fs.rename(file, aside);
  } catch {
    throw takenBy(folder);
  }
  if ((await fs.readFile(aside, 'utf8')) !== found) {
    await fs.rename(aside, file);
    throw takenBy(folder);
  }
  await fs.rm(aside, { force: true });
}

/** `undefined` for what no training process wrote completely. */
function parse(text: string): Owner | undefined {
  try {
    return v.parse(ownerSchema, JSON.parse(text));
  } catch {
    return undefined;
  }
}

function isAlive({ pid, host, began }: Owner): boolean {
  // Nobody can tell from here.
  if (host !== hostname()) return true;
  // A process that this one follows had the same number, as in a restarted container.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  const now = statOf(pid);
  return !now || (now.state !== 'Z' && (began === undefined || now.began === began));
}

/** Linux: state (Z: ended, not yet reaped) and start of a process, the 3rd and 22nd field of its `stat`. */
function statOf(pid: number): { state: string; began: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in parentheses, may hold spaces.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], began: fields[19] };
  } catch {
    return undefined;
  }
}

function takenBy(folder: string, owner?: Owner): UserError {
  const file = path.join(folder, 'run.lock');
  if (owner && owner.host !== hostname()) {
    return new UserError(
      `${folder}: process ${owner.pid} on ${owner.host} trains here; if it does not run any more, remove ${file}`,
    );
  }
  return new UserError(
    `${folder}: ${owner ? `process ${owner.pid}` : 'another process'} trains here already; wait for it, or choose another \`out\``,
  );
}
