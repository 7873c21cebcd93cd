import { createReadStream, promises as fs } from 'node:fs';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import tar from 'tar-stream';
import { UserError } from '../../errors.js';
import { isImageName } from '../dataset.js';
import { reason } from '../files.js';
import { type Archive, mostEntries, mostPictureBytes, placeInside, type Source } from './source.js';
import { hidden } from './zip.js';

/** Above a gigabyte, an archive of pictures does not unpack to more than so many times its size. */
const mostRatio = 100;

/**
 * Lists the pictures in a tar, packed with gzip or not. A tar has no index: it is read once for the list and, picture
 * after picture, once more; reading them in order costs no more.
 * @throws UserError naming the file where it is no tar, damaged or lists too much.
 */
export async function openTar(file: string): Promise<Archive> {
  const walk = new Walk(file);
  const sources: Source[] = [];
  let place = 0;
  try {
    for await (const { header } of walk.entries()) {
      if (++place > mostEntries) throw new Error(`it has more than ${mostEntries} parts`);
      const wanted = header.type === 'file' && isImageName(header.name) && !hidden(header.name);
      if (wanted) sources.push(sourceOf(walk, file, header, place));
    }
  } catch (error) {
    throw unreadable(file, error);
  } finally {
    await walk.close();
  }
  return { sources, close: () => walk.close() };
}

interface Part {
  readonly header: {
    readonly name: string;
    readonly size?: number;
    readonly type?: string | null;
    readonly mtime?: Date;
  };
  readonly stream: AsyncIterable<Buffer> & { resume(): unknown };
}

/** One pass after the other through a tar. */
class Walk {
  private input: Readable | undefined;
  private pass: AsyncGenerator<Part> | undefined;
  private place = 0;
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly file: string) {}

  /** All parts in order; one that was not read is passed over. */
  async *entries(): AsyncGenerator<Part> {
    const extract = tar.extract();
    const input = await this.open();
    this.input = input;
    input.on('error', (error) => extract.destroy(error));
    input.pipe(extract);
    for await (const entry of extract) {
      yield { header: entry.header as Part['header'], stream: entry as unknown as Part['stream'] };
      (entry as unknown as Part['stream']).resume();
    }
  }

  /** The bytes of the part at a place from 1; calls run in turn. */
  read(place: number): Promise<Buffer> {
    const result = this.turn.then(() => this.seek(place));
    this.turn = result.catch(() => undefined);
    return result;
  }

  private async seek(place: number): Promise<Buffer> {
    if (!this.pass || place <= this.place) {
      await this.close();
      this.pass = this.entries();
    }
    for (;;) {
      const { value, done } = await this.pass.next();
      if (done) throw new Error('it has changed since it was listed');
      if (++this.place < place) continue;
      const size = value.header.size ?? 0;
      if (size > mostPictureBytes)
        throw new Error(`it has ${size} bytes, at most ${mostPictureBytes} are read`);
      const parts: Buffer[] = [];
      for await (const part of value.stream) parts.push(part);
      return Buffer.concat(parts);
    }
  }

  async close(): Promise<void> {
    this.input?.destroy();
    this.input = undefined;
    this.pass = undefined;
    this.place = 0;
  }

  private async open(): Promise<Readable> {
    const handle = await fs.open(this.file, 'r');
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    const { size } = await handle.stat();
    await handle.close();
    const raw = createReadStream(this.file);
    if (bytesRead < 2 || buffer.readUInt16BE(0) !== 0x1f8b) return raw;
    const gunzip = createGunzip();
    let unpacked = 0;
    raw.on('error', (error) => gunzip.destroy(error));
    gunzip.on('data', (part: Buffer) => {
      unpacked += part.length;
      if (unpacked > 2 ** 30 && unpacked > mostRatio * size)
        gunzip.destroy(new Error('it unpacks to far more than its size'));
    });
    gunzip.pause();
    return raw.pipe(gunzip);
  }
}

function sourceOf(walk: Walk, file: string, header: Part['header'], place: number): Source {
  const inside = placeInside(file, header.name);
  return {
    ...inside,
    stamp: () => `${header.size} ${header.mtime?.getTime()} ${place}`,
    async read() {
      try {
        return await walk.read(place);
      } catch (error) {
        throw unreadable(inside.file, error);
      }
    },
  };
}

const unreadable = (file: string, error: unknown): UserError =>
  new UserError(`${file}: cannot be read (${reason(error)})`);
