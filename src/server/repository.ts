import { promises as fs } from 'node:fs';
import path from 'node:path';
import { UserError } from '../errors.js';
import { loadModel, shippedModels } from '../model/load.js';
import type { Model } from '../model/model.js';
import { Problem, withoutFolder } from './problem.js';

/** A model as it is served. */
export interface ServedModel extends Model {
  readonly name: string;
  readonly version: string;
  /** Differs between the states of a file: what was made from an older one is not used again. */
  readonly key: string;
}

/** Where a model's file lies. */
export interface Entry {
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

const nameLike = /^[\w.-]{1,100}$/;
const weights = '.safetensors';
/** Entries of a folder that are looked at. */
const mostEntries = 1000;
/** How long a listing of the folder is believed. */
const listingMs = 1000;

/**
 * Models by name and version from a folder, loaded when first asked for and again when their file changes:
 * `NAME.safetensors` (version 1), a run folder `NAME/best.safetensors` (version 1), or `NAME/VERSION/*.safetensors`.
 * Without a folder: the models that come with the package, as `camvid` (the first) and `camvid-tiny`.
 */
export class Repository {
  private readonly loaded = new Map<string, { key: string; model: Promise<ServedModel> }>();
  private listing: { readonly at: number; readonly entries: Promise<readonly Entry[]> } | undefined;

  constructor(private readonly folder?: string) {}

  /** All models, sorted by name and version. @throws UserError where the folder cannot be read. */
  entries(): Promise<readonly Entry[]> {
    const now = performance.now();
    if (!this.listing || now - this.listing.at > listingMs) {
      const entries = this.folder === undefined ? shipped() : list(this.folder);
      this.listing = { at: now, entries };
      entries.catch(() => {
        this.listing = undefined;
      });
    }
    return this.listing.entries;
  }

  /**
   * Loads a model, or gives the one that is loaded while its file is as it was.
   * @param name default: the first one.
   * @param version default: the highest.
   * @throws Problem 404 where there is none; UserError where its file is no model.
   */
  async open(name?: string, version?: string): Promise<ServedModel> {
    const entries = await this.entries();
    const named = name === undefined ? entries : entries.filter((entry) => entry.name === name);
    const found =
      name === undefined
        ? entries.find((entry) => version === undefined || entry.version === version)
        : named.findLast((entry) => version === undefined || entry.version === version);
    if (!found) throw new Problem(404, this.missing(entries, name, version));
    const { mtimeMs, size, ino } = await fs.stat(found.file).catch(() => {
      throw new Problem(404, this.missing(entries, name, version));
    });
    const id = `${found.name}/${found.version}`;
    const key = `${id} ${mtimeMs} ${size} ${ino}`;
    const known = this.loaded.get(id);
    if (known?.key === key) return known.model;
    // A file that is being replaced must not end what worked: errors are not kept.
    const model = loadModel(found.file).then(
      (loaded) => ({ ...loaded, name: found.name, version: found.version, key }),
      (error: unknown) => {
        this.loaded.delete(id);
        throw error instanceof UserError
          ? new UserError(withoutFolder(error.message, path.dirname(found.file)))
          : error;
      },
    );
    this.loaded.set(id, { key, model });
    return model;
  }

  /** Whether a model is in memory. */
  isLoaded({ name, version }: Entry): boolean {
    return this.loaded.has(`${name}/${version}`);
  }

  private missing(entries: readonly Entry[], name = 'any', version?: string): string {
    const known = [...new Set(entries.map((entry) => entry.name))].slice(0, 8).join(', ');
    const of = version === undefined ? '' : ` version ${version}`;
    return `no model '${name}'${of} here; models are: ${known || 'none'}`;
  }
}

const shipped = async (): Promise<readonly Entry[]> =>
  [...shippedModels].map(([name, file]) => ({ name, version: '1', file }));

async function list(folder: string): Promise<readonly Entry[]> {
  const entries: Entry[] = [];
  for (const child of await childrenOf(folder)) {
    if (child.isFile && child.name.endsWith(weights)) {
      add(entries, child.name.slice(0, -weights.length), '1', path.join(folder, child.name));
    } else if (!child.isFile) {
      await addFolder(entries, child.name, path.join(folder, child.name));
    }
  }
  return entries.sort(
    (a, b) =>
      a.name.localeCompare(b.name, 'en') || a.version.localeCompare(b.version, 'en', { numeric: true }),
  );
}

/** Versions of one model, or a run folder: its best checkpoint, else its last. */
async function addFolder(entries: Entry[], name: string, folder: string): Promise<void> {
  const children = await childrenOf(folder).catch(() => []);
  const checkpoint = ['best', 'last'].map((kind) => kind + weights);
  const run = checkpoint.find((file) => children.some((child) => child.isFile && child.name === file));
  if (run) add(entries, name, '1', path.join(folder, run));
  for (const { name: version, isFile } of children) {
    if (isFile || !/^\d{1,9}$/.test(version)) continue;
    const files = await childrenOf(path.join(folder, version)).catch(() => []);
    const file = files.find((child) => child.isFile && child.name.endsWith(weights));
    if (file) add(entries, name, version, path.join(folder, version, file.name));
  }
}

function add(entries: Entry[], name: string, version: string, file: string): void {
  if (nameLike.test(name) && !entries.some((entry) => entry.name === name && entry.version === version)) {
    entries.push({ name, version, file });
  }
}

async function childrenOf(folder: string): Promise<{ name: string; isFile: boolean }[]> {
  const found: { name: string; isFile: boolean }[] = [];
  try {
    const dir = await fs.opendir(folder);
    for await (const child of dir) {
      if (child.name.startsWith('.')) continue;
      // Links are followed: a mounted volume's files are links to their newest state.
      const stat = await fs.stat(path.join(folder, child.name)).catch(() => undefined);
      if (stat?.isFile() || stat?.isDirectory()) found.push({ name: child.name, isFile: stat.isFile() });
      if (found.length >= mostEntries) break;
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${folder}: the folder of models cannot be read (${code}); check its path`);
  }
  return found.sort((a, b) => a.name.localeCompare(b.name, 'en'));
}
