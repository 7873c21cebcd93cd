import pc from './colour.js';

export interface Column {
  readonly title: string;
  /** Default `left`. */
  readonly align?: 'left' | 'right';
  /** Columns with a rank are left out of narrow terminals, the highest rank first. Default: always shown. */
  readonly rank?: number;
}

export interface TableOptions {
  /** Characters per line. Default: the terminal's, unlimited where the output is no terminal. */
  readonly width?: number;
  /** Draws a rule above the last row. */
  readonly total?: boolean;
}

const gap = '  ';

/** Cells in aligned columns under bold titles; no trailing spaces. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  options: TableOptions = {},
): string {
  const width =
    options.width ?? (process.stdout.isTTY ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY);
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i].length)));
  const shown = columns.map((_, i) => i);
  const needed = () => shown.reduce((sum, i) => sum + widths[i] + gap.length, -gap.length);
  const droppable = shown.filter((i) => columns[i].rank).sort((a, b) => columns[b].rank! - columns[a].rank!);
  for (const i of droppable) {
    if (needed() <= width) break;
    shown.splice(shown.indexOf(i), 1);
  }
  const line = (cells: readonly string[]): string =>
    shown
      .map((i) => (columns[i].align === 'right' ? cells[i].padStart(widths[i]) : cells[i].padEnd(widths[i])))
      .join(gap)
      .trimEnd();
  const lines = rows.map(line);
  if (options.total) lines.splice(-1, 0, pc.dim('─'.repeat(Math.min(needed(), width))));
  return [pc.bold(line(columns.map(({ title }) => title))), ...lines].join('\n');
}
