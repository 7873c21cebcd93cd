import { createWriteStream, promises as fs } from 'node:fs';
import path from 'node:path';
import { Zip, ZipPassThrough } from 'fflate';
import { UserError } from '../errors.js';
import type { ClassTable } from './classes.js';
import { reason, temporaryName } from './files.js';
import { encodeLabelPng, type LabelImage } from './image.js';
import { cityscapesClasses } from './layouts/cityscapes.js';

/**
 * Train ids to the raw values of label files (labelIds for Cityscapes), for submissions. Ignored pixels
 * become 0, which Cityscapes calls unlabeled.
 */
export function trainIdsToLabelIds(labels: LabelImage, classes: ClassTable = cityscapesClasses): LabelImage {
  const lut = new Uint8Array(256);
  classes.toRaw.forEach((raw, id) => {
    lut[id] = raw;
  });
  return { ...labels, data: labels.data.map((id) => lut[id]) };
}

/**
 * The file name the Cityscapes server and scripts look for: `<city>_<seq>_<frame>_pred_labelIds.png`.
 * @throws UserError where the sample's id is not `<city>_<seq>_<frame>`.
 */
export function submissionName(id: string): string {
  if (!/^[^/\\]+_\d{6}_\d{6}$/.test(id)) {
    throw new UserError(`${id}: is no Cityscapes image name; expected <city>_<6 digits>_<6 digits>`);
  }
  return `${id}_pred_labelIds.png`;
}

/** Streams predictions into a zip: {@link add} each image, then {@link finish}. Memory stays at one image. */
export class SubmissionZip {
  private readonly temporary: string;
  private readonly stream: ReturnType<typeof createWriteStream>;
  private readonly zip: Zip;
  private readonly names = new Set<string>();
  private failure: Error | undefined;

  /** @param file the zip; it appears under its name only when finished. */
  constructor(readonly file: string) {
    this.temporary = temporaryName(path.resolve(file));
    this.stream = createWriteStream(this.temporary);
    this.stream.on('error', (error) => {
      this.failure ??= error;
    });
    this.zip = new Zip((error, chunk) => {
      if (error) this.failure ??= error;
      else this.stream.write(chunk);
    });
  }

  /**
   * Adds one prediction given as train ids.
   * @throws UserError for a name that is not Cityscapes', one added twice, or a file that cannot be written.
   */
  async add(id: string, labels: LabelImage): Promise<void> {
    const name = submissionName(id);
    if (this.names.has(name)) throw new UserError(`${this.file}: ${name} was added twice`);
    this.names.add(name);
    // PNG is compressed already: stored as it is.
    const entry = new ZipPassThrough(name);
    this.zip.add(entry);
    entry.push(await encodeLabelPng(trainIdsToLabelIds(labels)), true);
    if (this.stream.writableNeedDrain && !this.failure) {
      await new Promise<void>((resolve) => {
        this.stream.once('drain', resolve).once('error', () => resolve());
      });
    }
    await this.raise();
  }

  /** Writes the directory, syncs, and gives the file its name. @returns how many predictions it holds. */
  async finish(): Promise<number> {
    this.zip.end();
    await new Promise<void>((resolve) => {
      if (this.failure) resolve();
      else this.stream.once('error', () => resolve()).end(resolve);
    });
    await this.raise();
    try {
      const handle = await fs.open(this.temporary, 'r+');
      await handle.sync().finally(() => handle.close());
      await fs.rename(this.temporary, this.file);
    } catch (error) {
      this.failure = error as Error;
    }
    await this.raise();
    return this.names.size;
  }

  /** Throws away what was written. */
  async abort(): Promise<void> {
    this.stream.destroy();
    await fs.rm(this.temporary, { force: true });
  }

  private async raise(): Promise<void> {
    if (!this.failure) return;
    await this.abort();
    throw new UserError(`${this.file}: cannot be written (${reason(this.failure)})`);
  }
}
