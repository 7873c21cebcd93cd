import { Option } from 'commander';
import { UserError } from '../errors.js';
import { networkNames } from '../nets/index.js';

/** A Markdown table; numbers to the right from the second column on. */
export function markdownTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(titles), line(titles.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(line)].join('\n');
}

/** The same as comma-separated values, quoted where needed. */
export function csvTable(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const quoted = (cell: string) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return `${[titles, ...rows].map((cells) => cells.map(quoted).join(',')).join('\n')}\n`;
}

/** `vnet,enet` as names of networks. @throws UserError naming the known ones. */
function networkList(text: string): string[] {
  const names = text.split(',');
  const unknown = names.find((name) => !networkNames.includes(name));
  if (unknown === undefined) return names;
  throw new UserError(`--networks: unknown network '${unknown}', known are ${networkNames.join(', ')}`, 2);
}

/** `--networks`, by default all. */
export const networksOption = (names: readonly string[] = networkNames): Option =>
  new Option('--networks <names>', 'which ones')
    .argParser(networkList)
    .default(names, names === networkNames ? 'all' : names.join());
