/**
 * Large pages: Linux gives them to all memory, or only to what asks for them by `madvise`. WebAssembly has no way to ask, so the
 * package `ffi-rs` makes that one call, where it is installed.
 */
import { readFile } from 'node:fs/promises';
import type { AskLargePages } from './host.js';

/** Where Linux says which memory it puts into large pages, and how large those are. */
const folder = '/sys/kernel/mm/transparent_hugepage';

export type LargePages =
  /** All memory has them. */
  | 'all'
  /** The kernels' memory asks for them. */
  | 'asked'
  /** The system has them for memory that asks, which needs the package `ffi-rs`. */
  | 'unasked'
  /** The system has them for memory that asks, but VNET_LARGE_PAGES=0. */
  | 'refused'
  /** The system gives them to nothing. */
  | 'never';

/** MADV_HUGEPAGE of `madvise(2)`. */
const hugePage = 14;

/**
 * Whether the kernels' memory is in large pages.
 * @param at folder of the system's settings, for tests.
 * @returns undefined where the system does not say.
 */
export async function largePages(at = folder): Promise<LargePages | undefined> {
  const chosen = /\[(\w+)\]/.exec(await setting('enabled', at))?.[1];
  if (chosen === 'always') return 'all';
  if (chosen === 'never') return 'never';
  if (chosen !== 'madvise') return undefined;
  if (process.env.VNET_LARGE_PAGES === '0') return 'refused';
  return (await madvise()) ? 'asked' : 'unasked';
}

/** @returns how to ask for large pages; undefined where nothing has to ask, or nothing can. */
export async function asking(): Promise<AskLargePages | undefined> {
  if ((await largePages()) !== 'asked') return undefined;
  const [advise, bytes] = await Promise.all([madvise(), setting('hpage_pmd_size')]);
  const least = leastPages * Number(bytes);
  // Refused, it stays in small pages.
  return least > 0 ? ({ buffer }) => void (buffer.byteLength >= least && advise!(buffer)) : undefined;
}

/** Of a smaller memory, too much would be in pages that it does not fill. */
const leastPages = 4;

const setting = (name: string, at = folder): Promise<string> =>
  readFile(`${at}/${name}`, 'utf8').catch(() => '');

/** `madvise(buffer, …, MADV_HUGEPAGE)`: 0 where it worked. */
type Advise = (buffer: ArrayBufferLike) => number;

let loaded: Promise<Advise | undefined> | undefined;

/** @returns undefined where the package cannot be loaded. */
function madvise(): Promise<Advise | undefined> {
  loaded ??= (async () => {
    // Later Nodes have it than the types are of.
    const report: NodeJS.ProcessReport & { excludeNetwork?: boolean } = process.report;
    const excluded = report.excludeNetwork;
    try {
      // The package asks for a report to learn which libc there is; with the network, that looks up names.
      report.excludeNetwork = true;
      const { open, define, DataType } = await import('ffi-rs');
      open({ library: 'vnet:libc', path: '' });
      const { madvise } = define({
        madvise: {
          library: 'vnet:libc',
          retType: DataType.I32,
          paramsType: [DataType.U8Array, DataType.U64, DataType.I32],
        },
      });
      return (buffer) => madvise([Buffer.from(buffer), buffer.byteLength, hugePage]) as number;
    } catch {
      return undefined;
    } finally {
      report.excludeNetwork = excluded;
    }
  })();
  return loaded;
}
