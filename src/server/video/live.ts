import type { Rgb } from '../../data/classes.js';
import { encodeJpeg } from '../../data/image.js';
import { UserError } from '../../errors.js';
import type { Ffmpeg } from '../../stream/ffmpeg.js';
import { classShares, Painter } from '../../stream/paint.js';
import type { SegmentedFrame } from '../../stream/segment.js';
import type { StreamSource } from '../../stream/source.js';
import { Problem } from '../problem.js';
import type { Repository } from '../repository.js';
import type { PixelSize, Segmenting } from '../segmenting.js';
import { seenSize } from '../sizes.js';

/** A frame as viewers get it. */
export interface LiveFrame {
  /** Its overlay. */
  readonly jpeg: Uint8Array<ArrayBuffer>;
  /** Counted from 0, frames that were dropped too. */
  readonly index: number;
  /** Time in the stream. */
  readonly seconds: number;
  /** From its arrival to its overlay, in milliseconds. */
  readonly latencyMs: number;
  /** Share of the pixels of each class, by name. */
  readonly shares: Readonly<Record<string, number>>;
}

/** How a stream does. */
export interface LiveState {
  readonly name: string;
  readonly viewers: number;
  readonly running: boolean;
  /** Frames shown so far, frames a second of late, and the last one's latency. */
  readonly frames: number;
  readonly framesPerSecond: number;
  readonly latencyMs: number;
  readonly dropped: number;
  readonly reconnects: number;
  readonly damaged: number;
  /** Why it does not run. */
  readonly problem?: string;
}

/** A stream runs on for so long after its last viewer has left. */
const lingerMs = 5000;
const jpegQuality = 80;
const opacity = 0.5;

/** What all streams of a server share. */
interface Shared {
  readonly ffmpeg: Ffmpeg;
  readonly segmenting: Segmenting;
  readonly repository: Repository;
  /** What the network sees: `auto`, `own` or `HEIGHTxWIDTH`. */
  readonly size: string;
  readonly mostPixels: number;
  readonly frames: (stream: string, latencyMs: number) => void;
}

/**
 * A camera or address that is segmented while somebody looks: one computation for all viewers, each of whom gets the
 * newest frame whenever it has taken the one before.
 */
export class LiveStream {
  private viewers = 0;
  private stop: AbortController | undefined;
  private latest: LiveFrame | undefined;
  private last: SegmentedFrame | undefined;
  private shown = 0;
  private times: number[] = [];
  private problem: string | undefined;
  private wake: (() => void)[] = [];
  private linger: NodeJS.Timeout | undefined;

  constructor(
    readonly name: string,
    private readonly source: StreamSource,
    private readonly shared: Shared,
  ) {}

  get state(): LiveState {
    const { name, viewers, stop, shown, last, problem, times } = this;
    const span = times.length > 1 ? (times[times.length - 1] - times[0]) / 1000 : 0;
    return {
      ...{ name, viewers, running: stop !== undefined, frames: shown },
      framesPerSecond: span > 0 ? Math.round((10 * (times.length - 1)) / span) / 10 : 0,
      latencyMs: Math.round(this.latest?.latencyMs ?? 0),
      ...{ dropped: last?.dropped ?? 0, reconnects: last?.reconnects ?? 0, damaged: last?.complaints ?? 0 },
      ...(problem === undefined ? {} : { problem }),
    };
  }

  /**
   * The newest frame, again and again, until the signal aborts or the stream cannot go on.
   * @throws Problem 503 where it gives no frame.
   */
  async *frames(signal: AbortSignal): AsyncGenerator<LiveFrame, void> {
    this.viewers++;
    clearTimeout(this.linger);
    if (!this.stop) this.start();
    let seen: LiveFrame | undefined;
    const onAbort = (): void => this.tell();
    signal.addEventListener('abort', onAbort);
    try {
      while (!signal.aborted) {
        const { latest } = this;
        if (latest && latest !== seen) {
          seen = latest;
          yield latest;
        } else if (this.stop) {
          await new Promise<void>((resolve) => {
            this.wake.push(resolve);
          });
        } else {
          if (seen) return;
          throw new Problem(503, `${this.name}: ${this.problem ?? 'has ended'}`, 5);
        }
      }
    } finally {
      signal.removeEventListener('abort', onAbort);
      this.viewers--;
      if (this.viewers === 0) this.linger = setTimeout(() => this.end(), lingerMs).unref();
    }
  }

  /** Ends it for all viewers. */
  end(): void {
    clearTimeout(this.linger);
    this.stop?.abort();
  }

  private start(): void {
    const stop = new AbortController();
    this.stop = stop;
    this.latest = undefined;
    this.problem = undefined;
    this.times = [];
    this.run(stop.signal)
      .catch((error: unknown) => {
        // The source's name may be an address that only the operator knows.
        const told = error instanceof UserError || error instanceof Problem ? error.message : 'it failed';
        this.problem = told.replaceAll(this.source.name, 'the source').replace(/^the source: /, '');
      })
      .finally(() => {
        this.stop = undefined;
        this.tell();
      });
  }

  private async run(signal: AbortSignal): Promise<void> {
    const { segmenting, repository, ffmpeg, size, mostPixels, frames: count } = this.shared;
    const model = await repository.open();
    const { names, colours } = model.info.classes;
    const painter = new Painter(colours as Rgb[], opacity);
    const seenAs = (frame: PixelSize) => seenSize(size, frame, model.info, mostPixels);
    const results = segmenting.frames(model, { ffmpeg, source: this.source, seenAs }, { signal });
    for await (const result of results) {
      const { frame, labels } = result;
      const bytes = await encodeJpeg(painter.paint(frame.image, labels), jpegQuality);
      const shares = classShares(labels, names.length);
      const now = performance.now();
      const latencyMs = now - frame.arrived;
      this.last = result;
      this.shown++;
      this.times = [...this.times.slice(-49), now];
      this.latest = {
        ...{ index: frame.index, seconds: frame.seconds, latencyMs },
        jpeg: bytes as Uint8Array<ArrayBuffer>,
        shares: Object.fromEntries(names.map((name, i) => [name, Math.round(1e5 * shares[i]) / 1e5])),
      };
      count(this.name, latencyMs);
      this.tell();
    }
  }

  private tell(): void {
    for (const wake of this.wake.splice(0)) wake();
  }
}
