import { setTimeout as wait } from 'node:timers/promises';
import { UserError } from '../errors.js';
import type { Frame } from './decode.js';
import { Decoder } from './decode.js';
import type { Ffmpeg } from './ffmpeg.js';
import type { FeedOptions } from './options.js';
import type { StreamSource } from './source.js';

/** Seconds between two tries to get a stream back: doubled from the first to the last. */
const backOff = { first: 0.5, last: 30 };

/**
 * Frames of a source until it ends. A live stream that stalls, breaks or vanishes is connected to again, with growing
 * pauses, for as long as nobody stops it; one that never gave a frame is an error.
 */
export class Feed {
  /** Times that a live stream was connected to again. */
  reconnects = 0;
  private decoder: Decoder;
  private readonly gone = { dropped: 0, complaints: 0 };
  /** Frames of the connections before. */
  private before = 0;
  private latest = 0;
  private pause = 0;
  private readonly onAbort = () => this.decoder.stop();

  constructor(
    private readonly ffmpeg: Ffmpeg,
    private readonly source: StreamSource,
    private readonly options: FeedOptions,
  ) {
    this.decoder = new Decoder(ffmpeg, source, options);
    options.signal?.addEventListener('abort', this.onAbort);
  }

  /** Live frames that were never taken. */
  get dropped(): number {
    return this.gone.dropped + this.decoder.dropped;
  }

  /** Damaged frames and lost packets that ffmpeg has told of. */
  get complaints(): number {
    return this.gone.complaints + this.decoder.complaints;
  }

  /** @returns undefined at the end, or once the signal has aborted. */
  async next(): Promise<Frame | undefined> {
    const { signal, onNotice } = this.options;
    for (;;) {
      if (signal?.aborted) return undefined;
      let problem = 'ended';
      try {
        const frame = await this.nextInTime();
        if (signal?.aborted) return undefined;
        if (frame) {
          this.pause = 0;
          this.latest = this.before + frame.index + 1;
          return this.before === 0 ? frame : { ...frame, index: this.before + frame.index };
        }
        if (this.source.kind !== 'live') return undefined;
      } catch (error) {
        if (signal?.aborted) return undefined;
        if (this.source.kind !== 'live' || this.latest === 0 || !(error instanceof UserError)) throw error;
        problem = error.message;
      }
      if (this.latest === 0) throw new UserError(`${this.source.name}: ended before its first frame`);
      this.pause = Math.min(backOff.last, this.pause === 0 ? backOff.first : 2 * this.pause);
      onNotice?.(`${problem.replace(`${this.source.name}: `, '')}; trying again in ${this.pause} s`);
      await wait(1000 * this.pause, undefined, { signal }).catch(() => undefined);
      if (!signal?.aborted) this.reconnect();
    }
  }

  release(frame: Frame): void {
    this.decoder.release(frame);
  }

  stop(): void {
    this.options.signal?.removeEventListener('abort', this.onAbort);
    this.decoder.stop();
  }

  /** A camera may stall without an end. */
  private async nextInTime(): Promise<Frame | undefined> {
    if (this.source.kind !== 'live') return this.decoder.next();
    const { patience = 10 } = this.options;
    // The first connection may have to be made, which takes its time.
    const seconds = this.latest === 0 ? Math.max(30, patience) : patience;
    const timer = new AbortController();
    const stalled = wait(1000 * seconds, undefined, { signal: timer.signal }).then(
      () => {
        this.decoder.stop();
        throw new UserError(`${this.source.name}: no frame for ${seconds} s`);
      },
      () => undefined,
    );
    try {
      return await Promise.race([this.decoder.next(), stalled]);
    } finally {
      timer.abort();
    }
  }

  private reconnect(): void {
    this.gone.dropped += this.decoder.dropped;
    this.gone.complaints += this.decoder.complaints;
    this.before = this.latest;
    this.reconnects++;
    this.decoder.stop();
    this.decoder = new Decoder(this.ffmpeg, this.source, this.options);
  }
}
