import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { RgbImage } from '../data/image.js';
import { UserError } from '../errors.js';
import type { Ffmpeg, Run } from './ffmpeg.js';
import { atOnce, mediaThreads, passthrough, startFfmpeg } from './ffmpeg.js';
import type { DecodeOptions } from './options.js';
import type { StreamSource } from './source.js';

/** A decoded frame. */
export interface Frame {
  /** Counted from 0, frames that were dropped or left out too. */
  readonly index: number;
  /** Time in the stream. */
  readonly seconds: number;
  readonly image: RgbImage;
  /** `performance.now()` when its last byte came. */
  readonly arrived: number;
}

/** Frames that wait to be taken from a file: one is computed, one is ready, one comes. */
const mostWaiting = 2;
/** Longest side, and most pixels, of a frame. */
const mostSide = 16_384;
const mostPixels = 1 << 26;

/**
 * Frames of a stream as RGB, each copied once from the pipe. Of files every frame in order, and ffmpeg waits where
 * they are not taken; of live streams the newest, the others are counted as dropped.
 */
export class Decoder {
  /** Live frames that were never taken. */
  dropped = 0;
  private readonly run: Run;
  private readonly output: Readable;
  private readonly live: boolean;
  private readonly times: { seconds: number; width: number; height: number }[] = [];
  private readonly pool: Uint8Array[] = [];
  private readonly ready: Frame[] = [];
  /** Bytes that wait for the line that tells their frame's size and time, or for frames to be taken. */
  private readonly chunks: Buffer[] = [];
  private timeBase = 1 / 1000;
  private current: { bytes: Uint8Array; filled: number } | undefined;
  private count: number;
  private ended = false;
  private failure: unknown;
  private wake: (() => void) | undefined;

  constructor(
    ffmpeg: Ffmpeg,
    readonly source: StreamSource,
    options: DecodeOptions = {},
  ) {
    this.live = source.kind === 'live';
    this.count = options.skip ?? 0;
    this.run = startFfmpeg(ffmpeg, decodeArguments(ffmpeg, source, options), {
      stdio: [source.bytes ? 'pipe' : source.kind === 'pipe' ? 'inherit' : 'ignore', 'pipe', 'pipe'],
      name: source.name,
      onLine: (line) => this.onLine(line),
    });
    this.output = this.run.child.stdout!;
    // A pipe that breaks is told by how ffmpeg ends; bytes that fail to come end what it reads.
    if (source.bytes) pipeline(source.bytes, this.run.child.stdin!).catch(() => undefined);
    this.output.on('data', (chunk: Buffer) => {
      this.chunks.push(chunk);
      this.fill();
    });
    this.run.ended.then(
      () => this.end(),
      (error: unknown) => this.end(error),
    );
  }

  /** Damaged frames and lost packets that ffmpeg has told of. */
  get complaints(): number {
    return this.run.complaints();
  }

  /**
   * The next frame, `undefined` at the end. Its memory is used again after {@link release}.
   * @throws UserError where the stream cannot be read.
   */
  async next(): Promise<Frame | undefined> {
    while (this.ready.length === 0) {
      if (this.ended) {
        // Frames that came before a failure have been given out.
        if (this.failure) throw this.failure;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
    }
    const frame = this.ready.shift();
    this.fill();
    return frame;
  }

  /** Gives a frame's memory back. */
  release({ image }: Frame): void {
    if (this.pool.length <= mostWaiting) this.pool.push(image.data);
  }

  /** Ends it, whatever is still to come. */
  stop(): void {
    this.run.child.kill('SIGKILL');
    this.end();
  }

  private end(error?: unknown): void {
    if (this.ended) return;
    this.ended = true;
    this.failure = error;
    this.wake?.();
  }

  private onLine(line: string): void {
    const base = /config in time_base: (\d+)\/(\d+)/.exec(line);
    if (base) this.timeBase = Number(base[1]) / Number(base[2]);
    const found = /showinfo.* n: *\d+ .*?pts: *(-?\d+|NOPTS).*? s:(\d+)x(\d+) /.exec(line);
    if (!found) return;
    const [, pts, width, height] = found;
    const before = this.times[this.times.length - 1]?.seconds ?? this.lastSeconds;
    const seconds = pts === 'NOPTS' ? before : Number(pts) * this.timeBase;
    this.times.push({ seconds, width: Number(width), height: Number(height) });
    this.fill();
  }

  private lastSeconds = 0;

  /** Makes frames of the bytes that came, as many as may wait; more are asked for when all are used. */
  private fill(): void {
    const mayWait = () => this.live || this.ready.length < mostWaiting;
    while (this.chunks.length > 0 && mayWait()) {
      const [next] = this.times;
      if (!next) break;
      const { width, height } = next;
      if (width > mostSide || height > mostSide || width * height > mostPixels) {
        this.end(new UserError(`${this.source.name}: its frames are ${height}×${width}, which is too large`));
        this.run.child.kill('SIGKILL');
        return;
      }
      const bytes = 3 * width * height;
      this.current ??= { bytes: this.memory(bytes), filled: 0 };
      const [chunk] = this.chunks;
      const taken = chunk.subarray(0, bytes - this.current.filled);
      this.current.bytes.set(taken, this.current.filled);
      this.current.filled += taken.length;
      if (taken.length < chunk.length) this.chunks[0] = chunk.subarray(taken.length);
      else this.chunks.shift();
      if (this.current.filled === bytes) this.deliver();
    }
    if (this.chunks.length === 0 && mayWait()) this.output.resume();
    else this.output.pause();
  }

  private memory(bytes: number): Uint8Array {
    const found = this.pool.findIndex(({ length }) => length === bytes);
    return found >= 0 ? this.pool.splice(found, 1)[0] : new Uint8Array(bytes);
  }

  private deliver(): void {
    const { seconds, width, height } = this.times.shift()!;
    this.lastSeconds = seconds;
    const image = { width, height, data: this.current!.bytes };
    this.current = undefined;
    if (this.live && this.ready.length > 0) {
      this.dropped++;
      this.release(this.ready.shift()!);
    }
    this.ready.push({ index: this.count++, seconds, image, arrived: performance.now() });
    this.wake?.();
  }
}

function decodeArguments(ffmpeg: Ffmpeg, source: StreamSource, options: DecodeOptions): string[] {
  const { fps, from, to, skip, hdr } = options;
  const span = [
    ...(from === undefined ? [] : ['-ss', String(from)]),
    ...(to === undefined ? [] : ['-to', String(to)]),
  ];
  const filters = [
    ...(fps === undefined ? [] : [`fps=${fps}`]),
    ...(skip ? [`select=gte(n\\,${skip})`] : []),
    ...(hdr && canMapTones(ffmpeg) ? [toneMapping] : []),
    'format=rgb24',
    'showinfo=checksum=0',
  ];
  return [
    ...(source.kind === 'pipe' ? [] : ['-nostdin']),
    // Live frames are told to come at once instead.
    ...(source.kind === 'live' ? [] : mediaThreads),
    ...[...span, ...source.input],
    ...['-map', '0:v:0', '-an', '-sn', '-dn', '-vf', filters.join(',')],
    ...['-f', 'rawvideo', '-pix_fmt', 'rgb24', ...passthrough(ffmpeg), ...atOnce, 'pipe:1'],
  ];
}

/** Whether high dynamic range can be mapped: it takes a filter that not every ffmpeg has. */
export const canMapTones = ({ filters }: Ffmpeg): boolean => filters.has('zscale') && filters.has('tonemap');

const toneMapping =
  'zscale=transfer=linear:npl=100,format=gbrpf32le,zscale=primaries=bt709,tonemap=hable:desat=0,' +
  'zscale=transfer=bt709:matrix=bt709:range=tv,format=yuv420p';
