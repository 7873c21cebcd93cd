/// <reference types="@webgpu/types" />
import type { Choices, GpuSource } from '../backends/webgpu/index.js';
import type { TunedGpu, TuneWork } from '../backends/webgpu/tuning/result.js';
import type { Files } from '../data/storage/named.js';
import { UserError } from '../errors.js';

/** Loaded when it is asked for, like the rest of the backend. */
const load = () => import('../backends/webgpu/index.js');

/** What a GPU's kernels were measured to be the fastest with; a damaged file is said once, and counts as none. */
export async function measuredBy(
  recall: (files: Files, info: GPUAdapterInfo) => Promise<Choices | undefined>,
  files: Files | undefined,
  { info }: GPUAdapter,
): Promise<Choices | undefined> {
  if (!files) return undefined;
  return recall(files, info).catch((error: Error) => {
    console.warn(`vnet-segmentation: ${error.message}`);
    return undefined;
  });
}

/**
 * Times every candidate of the kernels of some plans on a GPU, and keeps what was the fastest for those who open it next.
 * @throws UserError where there is no such GPU.
 */
export async function tuneOn(
  source: GpuSource,
  gpu: string | undefined,
  files: Files | undefined,
  work: TuneWork,
): Promise<TunedGpu> {
  const { chooseAdapter, remember, tune } = await load();
  const adapter = async () => {
    const found = await chooseAdapter(source, gpu);
    if (found) return found;
    throw new UserError('WebGPU finds no real GPU; name a software adapter by `gpu`');
  };
  const { info } = await adapter();
  const tuned = await tune({ ...work, adapter });
  return files ? { ...tuned, file: await remember(files, info, tuned.choices) } : tuned;
}
