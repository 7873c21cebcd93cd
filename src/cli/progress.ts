import cliProgress from 'cli-progress';
import { formatDuration } from '../report/format.js';
import pc from './colour.js';
import { printable, screen } from './terminal.js';

/** Seconds between lines where stderr is no terminal. */
const lineInterval = 10;

/** Erases what a line written before takes in a window that is now narrower, and all below. */
const eraseRows = (rows: number): string => `\r${rows > 1 ? `\x1b[${rows - 1}A` : ''}\x1b[J`;

/**
 * Progress on stderr: a bar on a terminal, as wide as fits, with the time left before everything else; elsewhere a
 * plain line every ten seconds and at the end, so that logs stay short.
 */
export class Progress {
  private readonly bar?: cliProgress.SingleBar;
  private readonly started = performance.now();
  private lastLine = this.started;
  private done = 0;
  private notes: readonly string[] = [];
  private stopped = false;
  /** Characters of the line that is shown. */
  private shown = 0;

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
        stream: screen,
        hideCursor: true,
        clearOnComplete: false,
        linewrap: false,
        fps: 8,
        gracefulExit: false,
        format: (_, params) => this.line(params.progress, params.value),
      },
      cliProgress.Presets.shades_classic,
    );
    process.stderr.on('resize', this.onResize);
    this.bar.start(total, first);
  }

  /** @param notes what stands behind the bar, the most important first: the last ones go where there is no room. */
  update(done: number, ...notes: readonly string[]): void {
    this.done = done;
    this.notes = notes.filter(Boolean).map((note) => printable(note).replace(/\s+/g, ' '));
    this.bar?.update(done);
    if (this.bar) return;
    const now = performance.now();
    if ((now - this.lastLine) / 1000 < lineInterval) return;
    this.lastLine = now;
    const eta = this.eta(done);
    this.write([`${this.title} ${done}/${this.total}`, ...this.notes, eta && `${eta} left`]);
  }

  /** A line of its own that stays, above the bar. */
  log(line: string): void {
    if (!this.bar) {
      process.stderr.write(`${line}\n`);
      return;
    }
    this.bar.stop();
    // The bar's own line is replaced by the message; the bar goes on below.
    screen.write('\x1b[1A\x1b[2K');
    process.stderr.write(`${line}\n`);
    this.bar.start(this.total, this.done);
  }

  /** Ends the display; what was shown last stays. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    process.stderr.off('resize', this.onResize);
    if (this.bar) {
      this.bar.stop();
      return;
    }
    if (this.done === this.first) return;
    const seconds = (performance.now() - this.started) / 1000;
    this.write([`${this.title} ${this.done}/${this.total}`, ...this.notes, `in ${formatDuration(seconds)}`]);
  }

  /** One line that fits the window: what does not is left out, the bar's length first, then notes from the last. */
  private line(progress: number, value: number): string {
    const columns = (process.stderr.columns || 80) - 1;
    const eta = this.eta(value);
    const text = fitLine(
      `${this.title} `,
      ` ${value}/${this.total}`,
      eta === undefined ? this.notes : [`${eta} left`, ...this.notes],
      columns,
    );
    this.shown = text.length + text.bar;
    const filled = Math.round(Math.min(1, Math.max(0, progress)) * text.bar);
    const bar = pc.cyan('█'.repeat(filled)) + pc.dim('░'.repeat(text.bar - filled));
    return `${text.before}${bar}${text.after}`;
  }

  private readonly onResize = (): void => {
    if (this.stopped || !this.bar) return;
    // The terminal has broken the line anew: it may now take several rows.
    const rows = Math.max(1, Math.ceil(this.shown / Math.max(1, process.stderr.columns || 80)));
    screen.write(eraseRows(rows));
    this.bar.updateETA();
    this.bar.render();
  };

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

/**
 * The parts of a line of at most `columns` characters: `before`, a bar of `bar` cells, `after`. `length` counts the
 * characters of both texts.
 */
export function fitLine(
  title: string,
  count: string,
  notes: readonly string[],
  columns: number,
): { before: string; after: string; bar: number; length: number } {
  const [shortest, longest] = [8, 28];
  const separator = ' · ';
  for (let shown = notes.length; ; shown--) {
    const text = notes.slice(0, shown).join(separator);
    const after = text ? `${count}  ${text}` : count;
    const room = columns - title.length - after.length;
    if (room >= shortest || (shown <= 1 && room >= 0)) {
      return { before: title, after, bar: Math.min(longest, room), length: title.length + after.length };
    }
    if (shown === 0) {
      const cut = `${title}${count}`.slice(0, columns);
      return { before: '', after: cut, bar: 0, length: cut.length };
    }
  }
}
