import { promises as fs } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { Problem } from '../problem.js';

/** Longest wait for the next bytes of a video. */
const idleMs = 15_000;
/** Bytes of the beginning by which a container is told. */
const headBytes = 1 << 16;
/** Bytes read at a time. */
const pieceBytes = 1 << 18;

/**
 * A body that is written to a file of its own as it comes, and can be read from its first byte on meanwhile. What is slow
 * behind it never holds up the client that sends, which may not read the answer before it has sent everything.
 */
export class Spool {
  private written = 0;
  private ended = false;
  private failure: unknown;
  private wake: (() => void)[] = [];

  private constructor(
    private readonly folder: string,
    readonly file: string,
  ) {}

  /**
   * @param most bytes; one more and whoever reads gets a Problem 413.
   * @throws Problem 413 for a length that is announced and too large, 400 for no body.
   */
  static async of(request: Request, most: number): Promise<Spool> {
    if (Number(request.headers.get('content-length') ?? 0) > most) throw tooLarge(most);
    if (!request.body) throw new Problem(400, 'the body is empty; expected the bytes of a video');
    const folder = await fs.mkdtemp(path.join(tmpdir(), 'vnet-video-'));
    const spool = new Spool(folder, path.join(folder, 'video'));
    spool.take(request.body, most).catch((error: unknown) => spool.end(error));
    return spool;
  }

  /** Resolves when all has come. @throws what went wrong with it. */
  async whole(): Promise<void> {
    while (!this.ended) await this.more();
    if (this.failure) throw this.failure;
  }

  /** The first bytes, once there are enough of them or all. @throws Problem 400 for none, and what went wrong. */
  async head(): Promise<Buffer> {
    while (!this.ended && this.written < headBytes) await this.more();
    if (this.failure) throw this.failure;
    if (this.written === 0) throw new Problem(400, 'the body is empty; expected the bytes of a video');
    const handle = await fs.open(this.file);
    try {
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(headBytes), 0, headBytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  }

  /** All bytes in order, those that are still to come when they come. */
  bytes(): Readable {
    return Readable.from(this.pieces(), { objectMode: false });
  }

  /** Deletes the file. */
  async dispose(): Promise<void> {
    this.end(new Error('the spool is disposed'));
    await fs.rm(this.folder, { recursive: true, force: true });
  }

  private async *pieces(): AsyncGenerator<Buffer> {
    const handle = await fs.open(this.file);
    try {
      for (let at = 0; ; ) {
        if (at < this.written) {
          const length = Math.min(pieceBytes, this.written - at);
          const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, at);
          at += bytesRead;
          yield buffer.subarray(0, bytesRead);
        } else if (this.ended) {
          if (this.failure) throw this.failure;
          return;
        } else await this.more();
      }
    } finally {
      await handle.close();
    }
  }

  private async take(body: ReadableStream<Uint8Array>, most: number): Promise<void> {
    const reader = body.getReader();
    const handle = await fs.open(this.file, 'wx');
    let timer: NodeJS.Timeout | undefined;
    try {
      while (!this.ended) {
        const late = new Promise<never>((_, reject) => {
          timer = setTimeout(
            () => reject(new Problem(408, `no byte of the video came for ${idleMs / 1000} seconds`)),
            idleMs,
          );
        });
        const { value, done } = await Promise.race([reader.read(), late]);
        clearTimeout(timer);
        if (done) break;
        if (this.written + value.length > most) throw tooLarge(most);
        await handle.write(value);
        this.written += value.length;
        this.tell();
      }
      this.end();
    } catch (error) {
      const cut = error instanceof Error && 'code' in error && error.code === 'ECONNRESET';
      this.end(cut ? new Problem(400, 'the connection ended within the video') : error);
    } finally {
      clearTimeout(timer);
      // What still comes is nobody's.
      if (this.failure) reader.cancel().catch(() => undefined);
      await handle.close();
    }
  }

  private end(failure?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = failure;
    this.tell();
  }

  private more(): Promise<void> {
    return new Promise((resolve) => {
      this.wake.push(resolve);
    });
  }

  private tell(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}

const tooLarge = (most: number): Problem =>
  new Problem(413, `the video is larger than ${most} bytes; send a part of it`);

/**
 * Whether a video can be read only once all of it is there: an MP4 or QuickTime file whose index (`moov`) follows its
 * frames (`mdat`), as most cameras write them.
 */
export function indexComesLast(head: Buffer): boolean {
  for (let at = 0; at + 8 <= head.length; ) {
    const type = head.toString('latin1', at + 4, at + 8);
    if (type === 'moov') return false;
    if (type === 'mdat') return true;
    if (!['ftyp', 'free', 'skip', 'wide', 'pnot', 'uuid'].includes(type)) return false;
    const length = head.readUInt32BE(at);
    if (length === 0) return true;
    // One: the length follows in eight bytes.
    at += length === 1 && at + 16 <= head.length ? Number(head.readBigUInt64BE(at + 8)) : Math.max(8, length);
  }
  return head.toString('latin1', 4, 8) === 'ftyp';
}
