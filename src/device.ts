import { devices } from '#devices';
import type { Backend } from './backends/backend.js';
import type { DeviceKind, FoundDevice, Work } from './devices/kind.js';
import { UserError } from './errors.js';
import type { ScratchRule } from './graph/planned.js';

export { listGpus, tuneGpu } from '#devices';

/**
 * Where plans run. `auto`: a real GPU where there is one, else the CPU; `webgpu`: a GPU; `wasm`: CPU cores;
 * `reference`: float64 in plain TypeScript, slow, for comparisons.
 */
export type DeviceName = 'auto' | (typeof devices)[number]['name'];
export const deviceNames: readonly DeviceName[] = ['auto', ...devices.map(({ name }) => name)];

/**
 * Opens a device by its name.
 * @param device default `auto`, which never takes a software adapter.
 * @param gpu part of an adapter's name, vendor or architecture (see {@link listGpus}): takes that one, software or not.
 * @param work `inference`: need not run plans of training.
 * @throws UserError, one line with what was looked for, where `webgpu` or `gpu` is asked for and cannot be had.
 */
export async function openDevice(
  device: DeviceName = 'auto',
  gpu?: string,
  work: Work = 'everything',
): Promise<Backend> {
  const found = await find(device, gpu, work);
  const next = automatic.indexOf(found.kind) + 1;
  if (device !== 'auto' || gpu !== undefined || next === automatic.length) return found.open();
  // What is there but cannot be opened is passed over.
  return found.open().catch(async () => (await find(device, gpu, work, next)).open());
}

/** Where the library's functions run. */
export interface Place {
  /**
   * Default `wasm`, the CPU. `auto` takes a real GPU where there is one, `webgpu` insists on it. A name opens the device
   * once and keeps it open; a backend of your own stays yours.
   */
  readonly device?: Backend | DeviceName;
  /** With `auto` or `webgpu`: a GPU by part of its name, as {@link listGpus} tells it. */
  readonly gpu?: string;
}

const opened = new Map<string, Promise<Backend>>();
/** The kinds that `auto` means, the preferred one first. */
const automatic: readonly DeviceKind[] = devices.filter((kind) => kind.automatic);

/** The device of a place, opened at its first use, and again after it was lost. @throws UserError as {@link openDevice}. */
export async function deviceAt({ device = 'wasm', gpu }: Place, work: Work = 'everything'): Promise<Backend> {
  if (typeof device !== 'string') return device;
  const key = `${device} ${work} ${gpu ?? ''}`;
  const before = opened.get(key);
  const kept = await before;
  if (kept && !kept.isLost?.()) return kept;
  // Of callers that meet a lost device at once, the first opens another one for all.
  let backend = opened.get(key);
  if (!backend || backend === before) {
    backend = openDevice(device, gpu, work);
    opened.set(key, backend);
    // What is missing now may be there at the next try.
    backend.catch(() => opened.delete(key));
  }
  return backend;
}

/** The need of private memory per call on a device, for plans that are only looked at: no GPU is opened. */
export async function scratchRuleOf(
  device: DeviceName = 'auto',
  gpu?: string,
): Promise<{ name: string; scratchBytes: ScratchRule }> {
  const kind = devices.find(({ name }) => name === device);
  const { name, scratchBytes } = kind && gpu === undefined ? kind : (await find(device, gpu)).kind;
  return { name, scratchBytes: await scratchBytes() };
}

/** @param first which of the automatic kinds is looked at first. */
async function find(
  device: DeviceName,
  gpu: string | undefined,
  work?: Work,
  first = 0,
): Promise<FoundDevice & { kind: DeviceKind }> {
  const asked = devices.find(({ name }) => name === device);
  if (gpu !== undefined && asked && !asked.named) {
    throw new UserError(
      `\`gpu: '${gpu}'\`: has no meaning with \`device: '${device}'\`; expected \`device: 'webgpu'\``,
      2,
    );
  }
  const candidates = asked
    ? [asked]
    : automatic.slice(first).filter(({ named }) => named || gpu === undefined);
  for (const kind of candidates) {
    const found = await kind.find(gpu, asked !== undefined || gpu !== undefined, work);
    if (found) return { ...found, kind };
  }
  throw new UserError(`\`device: '${device}'\`: expected one of ${deviceNames.join(', ')}`, 2);
}
