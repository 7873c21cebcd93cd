import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFile, isFolder, listNames, readBytes } from '../data/files.js';
import { UserError } from '../errors.js';
import { runFiles } from '../train/checkpoint.js';
import type { ResolvedTrainConfig } from '../train/config.js';
import { parseTrainConfig } from '../train/config.js';
import { isTraining } from '../train/lock.js';
import type { StepMetrics, ValidationMetrics } from '../train/metrics.js';
import { parseMetrics } from '../train/metricsLine.js';
import { Problem, withoutFolder } from './problem.js';

/** Of what is read; a run folder may have been written by anybody. */
const most = {
  runs: 500,
  configBytes: 2 ** 20,
  metricsBytes: 64 * 2 ** 20,
  pictureBytes: 16 * 2 ** 20,
  modelBytes: 512 * 2 ** 20,
  pictures: 600,
  points: 1000,
} as const;

/** A run in a list. */
export interface RunSummary {
  readonly name: string;
  readonly running: boolean;
  /** Seconds since 1970 of the last metrics line; 0 before the first. */
  readonly updated: number;
  /** Epochs that were validated or trained, and all. */
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly loss: number | null;
  /** Best so far, 0 to 1. */
  readonly miou: number | null;
  /** Why it cannot be read; all else is empty then. */
  readonly problem?: string;
}

/** A run with its curves. */
export interface RunDetails extends RunSummary {
  readonly settings: readonly { readonly name: string; readonly value: string }[];
  /** At most a thousand, each the mean of its neighbours. */
  readonly steps: readonly {
    readonly step: number;
    readonly loss: number;
    readonly learningRate: number;
    readonly imagesPerSecond: number;
    readonly rssBytes?: number;
  }[];
  readonly validations: readonly {
    readonly step: number;
    readonly epoch: number;
    readonly miou: number | null;
  }[];
  /** Overlays of validation pictures, by picture, the newest last. */
  readonly pictures: readonly {
    readonly picture: string;
    readonly epochs: readonly { readonly epoch: number; readonly file: string }[];
  }[];
  readonly hasModel: boolean;
}

/** The run folders of a folder, read anew at each question: they change while they train. */
export class Runs {
  constructor(private readonly folder: string) {}

  async list(): Promise<RunSummary[]> {
    const runs: RunSummary[] = [];
    for (const name of this.names()) {
      try {
        const read = await this.read(name);
        runs.push(summaryOf(name, read));
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        runs.push({ ...empty(name), problem: withoutFolder(error.message, this.folder) });
      }
    }
    return runs.sort((a, b) => Number(b.running) - Number(a.running) || b.updated - a.updated);
  }

  /** @throws Problem 404, 422: no such run, or a damaged one. */
  async open(name: string): Promise<RunDetails> {
    const folder = this.folderOf(name);
    const read = await this.read(name).catch((error: Error) => {
      throw error instanceof UserError ? new Problem(422, withoutFolder(error.message, this.folder)) : error;
    });
    const { config, steps, validations } = read;
    const { best, last } = runFiles(folder);
    return {
      ...summaryOf(name, read),
      settings: Object.entries(config).flatMap(([name, value]) =>
        value === undefined
          ? []
          : [{ name, value: typeof value === 'object' ? JSON.stringify(value) : String(value) }],
      ),
      steps: thinned(steps),
      validations: validations.map(({ step, epoch, miou }) => ({ step, epoch: epoch + 1, miou })),
      pictures: picturesIn(folder),
      hasModel: isFile(best) || isFile(last),
    };
  }

  /** The JPEG of an overlay. @throws Problem 404 for one that {@link open} does not list. */
  async picture(name: string, file: string): Promise<Buffer> {
    const folder = this.folderOf(name);
    const known = picturesIn(folder).some(({ epochs }) => epochs.some((each) => each.file === file));
    if (!known) throw new Problem(404, `run ${name}: has no such picture`);
    const bytes = await readBytes(path.join(folder, 'samples', file), most.pictureBytes);
    if (bytes[0] !== 0xff || bytes[1] !== 0xd8) throw new Problem(422, `run ${name}: ${file} is no JPEG`);
    return bytes;
  }

  /** The bytes of the best model, else of the last checkpoint. @throws Problem 404 where there is neither yet. */
  async model(name: string): Promise<Buffer> {
    const { best, last } = runFiles(this.folderOf(name));
    const file = [best, last].find(isFile);
    if (!file) throw new Problem(404, `run ${name}: has saved no model yet`);
    return readBytes(file, most.modelBytes);
  }

  /** Folders with a configuration. */
  private names(): string[] {
    return listNames(this.folder, 'folders')
      .filter((name) => isFile(path.join(this.folder, name, 'config.json')))
      .slice(0, most.runs);
  }

  /** Only names that the folder itself lists are ever part of a path. */
  private folderOf(name: string): string {
    if (!this.names().includes(name))
      throw new Problem(404, `no run of the name ${JSON.stringify(name.slice(0, 60))}`);
    return path.join(this.folder, name);
  }

  private async read(name: string): Promise<Read> {
    const folder = path.join(this.folder, name);
    const files = runFiles(folder);
    const text = (await readBytes(files.config, most.configBytes)).toString('utf8');
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      throw new UserError(`${files.config}: is not valid JSON`);
    }
    const config = parseTrainConfig(json, files.config);
    const running = await isTraining(folder);
    if (!isFile(files.metrics)) return { config, running, steps: [], validations: [], updated: 0 };
    const { size, mtimeMs } = await fs.stat(files.metrics);
    const bytes = size === 0 ? Buffer.alloc(0) : await readBytes(files.metrics, most.metricsBytes);
    // The last line may be half written; others that are damaged are left out.
    const lines = bytes
      .toString('utf8')
      .split('\n')
      .flatMap((line) => parseMetrics(line) ?? []);
    return {
      ...{ config, running, updated: mtimeMs / 1000 },
      steps: lines.filter((line) => line.type === 'step'),
      validations: lines.filter((line) => line.type === 'validation'),
    };
  }
}

interface Read {
  readonly config: ResolvedTrainConfig;
  readonly running: boolean;
  readonly updated: number;
  readonly steps: readonly StepMetrics[];
  readonly validations: readonly ValidationMetrics[];
}

const empty = (name: string): RunSummary => ({
  ...{ name, running: false, updated: 0, epoch: 0, epochs: 0, step: 0, loss: null, miou: null },
});

function summaryOf(name: string, { config, running, updated, steps, validations }: Read): RunSummary {
  const last = steps.at(-1);
  const scores = validations.flatMap(({ miou }) => miou ?? []);
  return {
    ...{ name, running, updated, epochs: config.epochs },
    epoch: last ? last.epoch + 1 : 0,
    step: last?.step ?? 0,
    loss: last?.loss ?? null,
    // Reduced, as arguments of a call are limited.
    miou: scores.length > 0 ? scores.reduce((a, b) => Math.max(a, b)) : null,
  };
}

function thinned(steps: readonly StepMetrics[]): RunDetails['steps'] {
  const size = Math.ceil(steps.length / most.points);
  const groups = Array.from({ length: Math.ceil(steps.length / Math.max(1, size)) }, (_, i) =>
    steps.slice(i * size, (i + 1) * size),
  );
  return groups.map((group) => {
    const { step, learningRate, imagesPerSecond, rssBytes } = group[group.length - 1];
    const loss = group.reduce((sum, each) => sum + each.loss, 0) / group.length;
    return { step, loss, learningRate, imagesPerSecond, ...(rssBytes === undefined ? {} : { rssBytes }) };
  });
}

/** What `vnet train` writes after each validation: `samples/epoch-0001-street.jpg`. */
function picturesIn(folder: string): RunDetails['pictures'] {
  const samples = path.join(folder, 'samples');
  if (!isFolder(samples)) return [];
  const pictures = new Map<string, { epoch: number; file: string }[]>();
  for (const file of listNames(samples, 'files').slice(-most.pictures)) {
    const [, epoch, picture] = /^epoch-(\d{1,6})-(.+)\.jpg$/.exec(file) ?? [];
    if (!picture) continue;
    const epochs = pictures.get(picture) ?? [];
    epochs.push({ epoch: Number(epoch), file });
    pictures.set(picture, epochs);
  }
  return [...pictures].map(([picture, epochs]) => ({
    picture,
    epochs: epochs.sort((a, b) => a.epoch - b.epoch),
  }));
}
