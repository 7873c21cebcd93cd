import { formatDuration, formatRate } from '../report/format.js';
import type { SegmentedFrame } from '../stream/segment.js';
import type { StreamSource } from '../stream/source.js';
import { Progress } from './progress.js';
import type { StreamFlags } from './streamFlags.js';

/** What a person sees: a bar where the end is known, else a line now and then. */
export class StreamDisplay {
  private readonly progress: Progress | undefined;
  private readonly began = performance.now();
  private firstAt = this.began;
  private toldAt = this.began;
  private frames = 0;
  private networkMs = 0;
  private computed = 0;
  private readonly latencies: number[] = [];

  constructor(
    private readonly source: StreamSource,
    total: number | undefined,
    done: number,
  ) {
    if (total !== undefined) this.progress = new Progress('frames', Math.max(total, done), done);
  }

  show(result: SegmentedFrame): void {
    const { frame, ms, latencyMs, dropped } = result;
    if (this.frames++ === 0) this.firstAt = performance.now();
    this.networkMs += ms;
    if (ms > 0) this.computed++;
    this.latencies[this.frames % 500] = latencyMs;
    const rate = this.rate();
    if (this.progress) {
      this.progress.update(frame.index + 1, rate);
      return;
    }
    if (performance.now() - this.toldAt < 5000) return;
    this.toldAt = performance.now();
    const live =
      this.source.kind === 'live' ? ` · latency ${latencyMs.toFixed(0)} ms · ${dropped} dropped` : '';
    process.stderr.write(`frame ${frame.index + 1} · ${rate}${live}\n`);
  }

  /** From the first frame on: what is loaded before counts for the time, not for the rate. */
  private rate(): string {
    const seconds = (performance.now() - (this.frames > 1 ? this.firstAt : this.began)) / 1000;
    return formatRate(Math.max(1, this.frames - 1) / seconds).replace('images', 'frames');
  }

  note(message: string): void {
    const line = `note: ${this.source.name}: ${message}`;
    if (this.progress) this.progress.log(line);
    else process.stderr.write(`${line}\n`);
  }

  stop(): void {
    this.progress?.stop();
  }

  report(
    last: SegmentedFrame | undefined,
    named: readonly string[],
    { out, json, stats }: StreamFlags,
  ): void {
    const seconds = (performance.now() - this.began) / 1000;
    const network =
      this.computed > 0 ? `, network ${(this.networkMs / this.computed).toFixed(1)} ms a frame` : '';
    const parts = [`${this.frames} frames in ${formatDuration(seconds)} (${this.rate()}${network})`];
    if (this.source.kind === 'live' && this.latencies.length > 0) {
      const sorted = this.latencies.filter((value) => value !== undefined).sort((a, b) => a - b);
      const at = (share: number) =>
        sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))].toFixed(0);
      parts.push(`latency ${at(0.5)} ms, 95 % below ${at(0.95)} ms`, `${last?.dropped ?? 0} frames dropped`);
      if (last && last.reconnects > 0) parts.push(`connected again ${last.reconnects} times`);
    }
    if (last && last.complaints > 0) parts.push(`ffmpeg told of ${last.complaints} damaged places`);
    if (last?.flicker) {
      const percent = (share: number) => `${(100 * share).toFixed(2)} %`;
      parts.push(
        `flicker ${percent(last.flicker.before)} of the cells a frame, ${percent(last.flicker.after)} smoothed`,
      );
    }
    const text = `${parts.join(' · ')}${named.length > 0 ? `: ${named.join(', ')}` : ''}\n`;
    const taken = out === '-' || json || stats === '-' || named.length === 0;
    (taken ? process.stderr : process.stdout).write(text);
  }
}
