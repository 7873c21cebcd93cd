import { readFile } from 'node:fs/promises';

/** Where Linux says which memory it puts into large pages. */
const setting = '/sys/kernel/mm/transparent_hugepage/enabled';

/**
 * Whether the kernels' memory is in large pages, and how to have it so; undefined where the system does not say. A process cannot
 * ask for them for WebAssembly's memory: all memory gets them, or only what asks. `file`: other than the system's, for tests.
 */
export async function largePages(file = setting): Promise<string | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '');
  const chosen = /\[(\w+)\]/.exec(text)?.[1];
  if (chosen === undefined) return undefined;
  if (chosen === 'always') return 'memory in large pages';
  return `memory in small pages; in large ones kernels take less time: echo always | sudo tee ${setting}`;
}
