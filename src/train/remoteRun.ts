import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readBytes, walkFiles } from '../data/files.js';
import { shownAddress } from '../data/storage/address.js';
import { storage } from '../data/storage/storage.js';
import { UserError } from '../errors.js';
import { runFiles } from './checkpoint.js';
import type { TrainEvent } from './events.js';

/** Files and bytes of a run that are taken from a store. */
const mostFiles = 20_000;
const mostBytes = 2 ** 31 - 1;
/** What belongs to the folder and not to the run: locks, and files that are being written. */
const isOwn = (name: string): boolean => /(^|\/)(run\.lock|\..*\.tmp)$/.test(name);

/**
 * A run that lies in a store (`s3://bucket/run`): it is trained in a folder of this machine, whose files are copied to the
 * store with every checkpoint, so that another machine can go on where this one is lost. The store has no lock: nothing
 * stops a second program from training into the same address.
 */
export class RemoteRun {
  /** By name, what was copied last: its size and time. */
  private readonly copied = new Map<string, string>();
  private copying: Promise<void> | undefined;
  private again = false;
  private failed: UserError | undefined;
  private finished: Promise<void> | undefined;

  private constructor(
    /** As people write it. */
    readonly address: string,
    /** The folder of this machine. */
    readonly folder: string,
    private readonly tell: (message: string) => void,
  ) {}

  /**
   * @param resume fetches the run that lies there; otherwise there must be none.
   * @param tell is told once where the store fails while the training goes on.
   * @throws UserError where a new run would overwrite another, there is none to resume, or the store refuses.
   */
  static async open(name: string, resume: boolean, tell: (message: string) => void): Promise<RemoteRun> {
    const address = shownAddress(name);
    const there = await filesOf(address);
    const holdsRun = ['config.json', 'last.safetensors', 'last.prev.safetensors'].some((file) =>
      there.has(file),
    );
    if (resume && !holdsRun)
      throw new UserError(`${address}: holds no run to resume; start without \`resume\``);
    if (!resume && holdsRun)
      throw new UserError(
        `${address}: holds a run already; go on with \`resume\`, or choose another \`out\``,
      );
    const run = new RemoteRun(address, await fs.mkdtemp(path.join(tmpdir(), 'vnet-run-')), tell);
    try {
      if (resume) await run.fetch(there);
    } catch (error) {
      await fs.rm(run.folder, { recursive: true });
      throw error;
    }
    return run;
  }

  /** The address of a file of the folder. */
  addressOf(file: string): string {
    return `${this.address}/${path.relative(this.folder, file).split(path.sep).join('/')}`;
  }

  /** Copies with every checkpoint, beside the training. */
  onEvent({ type }: TrainEvent): void {
    if (type !== 'saved') return;
    if (this.copying) {
      this.again = true;
      return;
    }
    this.copying = this.copy()
      .then(
        () => {
          this.failed = undefined;
        },
        (error: unknown) => {
          if (!(error instanceof UserError)) throw error;
          if (!this.failed) this.tell(`${error.message}; trying again with the next checkpoint`);
          this.failed = error;
        },
      )
      .finally(() => {
        this.copying = undefined;
        if (!this.again) return;
        this.again = false;
        this.onEvent({ type, file: '', epoch: 0, step: 0 });
      });
  }

  /** Copies what is left and removes the folder, once. @throws UserError that names the folder, which stays then. */
  finish(): Promise<void> {
    this.finished ??= this.end();
    return this.finished;
  }

  private async end(): Promise<void> {
    this.again = false;
    await this.copying;
    try {
      await this.copy();
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      throw new UserError(`${error.message}; the run lies in ${this.folder}: copy it, or go on there`, 1, {
        cause: error,
      });
    }
    await fs.rm(this.folder, { recursive: true });
  }

  private async fetch(there: ReadonlyMap<string, number>): Promise<void> {
    for (const [name, bytes] of there) {
      const file = path.join(this.folder, name);
      await fs.mkdir(path.dirname(file), { recursive: true });
      await fs.writeFile(file, bytes > 0 ? await readBytes(`${this.address}/${name}`, mostBytes) : '');
      this.copied.set(name, await stampOf(file));
    }
  }

  /** The checkpoint is read first and written last: what lies in the store beside it is never older than it says. */
  private async copy(): Promise<void> {
    const store = await storage();
    const last = path.relative(this.folder, runFiles(this.folder).last);
    const names = [...walkFiles(this.folder)]
      .map((name) => name.split(path.sep).join('/'))
      .filter((name) => !isOwn(name) && name !== last);
    const checkpoint = await this.changed(last);
    for (const name of names) {
      const file = await this.changed(name);
      if (!file) continue;
      await store.write(`${this.address}/${name}`, file.bytes);
      this.copied.set(name, file.stamp);
    }
    if (!checkpoint) return;
    await store.write(`${this.address}/${last}`, checkpoint.bytes);
    this.copied.set(last, checkpoint.stamp);
  }

  /** A file that is not what was copied; `undefined` where it is, or is gone. */
  private async changed(name: string): Promise<{ bytes: Uint8Array; stamp: string } | undefined> {
    const file = path.join(this.folder, name);
    try {
      const stamp = await stampOf(file);
      return this.copied.get(name) === stamp ? undefined : { bytes: await fs.readFile(file), stamp };
    } catch (error) {
      // Replaced or removed meanwhile: its successor is copied with the next checkpoint.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }
}

async function stampOf(file: string): Promise<string> {
  const { size, mtimeMs } = await fs.stat(file);
  return `${size} ${mtimeMs}`;
}

/** Names and bytes of the files below an address. @throws UserError where they are no run of this program's. */
async function filesOf(address: string): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for await (const { file, bytes } of (await storage()).list(address)) {
    const name = file.slice(address.length + 1);
    const parts = name.split('/');
    // Keys are free, and these become paths.
    if (parts.some((part) => part === '' || part === '.' || part === '..' || /[\\:\0]/.test(part))) continue;
    if (files.size === mostFiles)
      throw new UserError(`${address}: has more than ${mostFiles} files; name the folder of a run`);
    if (!isOwn(name)) files.set(name, bytes);
  }
  return files;
}
