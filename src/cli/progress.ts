import cliProgress from 'cli-progress';
import pc from 'picocolors';
import { formatDuration } from '../report/format.js';

/** Seconds between lines where stderr is no terminal. */
const lineInterval = 10;

/**
 * Progress on stderr: a bar on a terminal; elsewhere a plain line every ten seconds and at the end, so that logs
 * stay short.
 */
export class Progress {
  private readonly bar?: cliProgress.SingleBar;
  private readonly started = performance.now();
  private lastLine = this.started;
  private done = 0;
  private note = '';
  private stopped = false;

  /**
   * @param title what is counted, for example `images`.
   * @param first how many were done before this began.
   */
  constructor(
    private readonly title: string,
    private readonly total: number,
    private readonly first = 0,
  ) {
    this.done = first;
    if (!process.stderr.isTTY) return;
    this.bar = new cliProgress.SingleBar(
      {
        stream: process.stderr,
        hideCursor: true,
        clearOnComplete: false,
        linewrap: false,
        fps: 8,
        barsize: Math.max(8, Math.min(28, (process.stderr.columns ?? 80) - 60)),
        format: (options, params, payload: { note: string }) => {
          const filled = Math.round(params.progress * (options.barsize ?? 28));
          const bar = pc.cyan('█'.repeat(filled)) + pc.dim('░'.repeat((options.barsize ?? 28) - filled));
          const eta = this.eta(params.value);
          const rest = [payload.note, eta && `${eta} left`].filter(Boolean).join(pc.dim(' · '));
          return `${this.title} ${bar} ${params.value}/${params.total}  ${rest}`;
        },
      },
      cliProgress.Presets.shades_classic,
    );
    this.bar.start(total, first, { note: '' });
  }

  /** @param note what stands behind the bar, for example `loss 0.52 · 3.1 images/s`. */
  update(done: number, note = ''): void {
    this.done = done;
    this.note = note;
    this.bar?.update(done, { note });
    if (this.bar) return;
    const now = performance.now();
    if ((now - this.lastLine) / 1000 < lineInterval) return;
    this.lastLine = now;
    const eta = this.eta(done);
    this.write([`${this.title} ${done}/${this.total}`, note, eta && `${eta} left`]);
  }

  /** A line of its own that stays, above the bar. */
  log(line: string): void {
    if (!this.bar) {
      process.stderr.write(`${line}\n`);
      return;
    }
    this.bar.stop();
    // The bar's own line is replaced by the message; the bar goes on below.
    process.stderr.write(`\x1b[1A\x1b[2K${line}\n`);
    this.bar.start(this.total, this.done, { note: this.note });
  }

  /** Ends the display; what was shown last stays. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    if (this.bar) {
      this.bar.stop();
      return;
    }
    if (this.done === this.first) return;
    const seconds = (performance.now() - this.started) / 1000;
    this.write([`${this.title} ${this.done}/${this.total}`, this.note, `in ${formatDuration(seconds)}`]);
  }

  private write(parts: readonly (string | undefined)[]): void {
    process.stderr.write(`${parts.filter(Boolean).join(' · ')}\n`);
  }

  /** From the mean pace so far; nothing before there is one. */
  private eta(done: number): string | undefined {
    const seconds = (performance.now() - this.started) / 1000;
    const fresh = done - this.first;
    if (fresh <= 0 || done >= this.total || seconds < 1) return undefined;
    return formatDuration((seconds / fresh) * (this.total - done));
  }
}
