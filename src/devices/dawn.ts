/// <reference types="@webgpu/types" />
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import type { DeviceInfo } from '../backends/webgpu/info.js';
import type { TunedGpu, TuneWork } from '../backends/webgpu/tuning/result.js';
import { UserError } from '../errors.js';
import { cacheFolder } from './cacheFolder.js';
import type { DeviceKind } from './kind.js';
import { measuredBy, tuneOn } from './tuned.js';

/** Loaded when it is asked for: the CPU needs nothing of it. */
const load = async () => {
  const [webgpu, { dawnGpus }] = await Promise.all([
    import('../backends/webgpu/index.js'),
    import('../backends/webgpu/dawn.js'),
  ]);
  return { ...webgpu, source: dawnGpus };
};

/** What was measured on GPUs, a file for each. */
const measured = cacheFolder('webgpu');

/** A GPU that Node reaches through the optional package `webgpu`. */
export const webgpu: DeviceKind<'webgpu'> = {
  name: 'webgpu',
  automatic: true,
  named: true,
  async find(gpu, must) {
    const asked = gpu === undefined ? "`device: 'webgpu'`" : `\`gpu: '${gpu}'\``;
    if (gpu === undefined && !mayHaveGpu()) {
      if (!must) return undefined;
      throw new UserError(
        `${asked}: this machine shows no GPU (looked for ${gpuNodes.join(', ')}); use \`device: 'wasm'\`, or name a software adapter by \`gpu\``,
      );
    }
    if (must) await checkPackage(asked);
    const { chooseAdapter, recall, source, webgpuBackend } = await load();
    const adapter = await chooseAdapter(source, gpu);
    if (adapter) {
      return { open: async () => webgpuBackend(adapter, {}, await measuredBy(recall, measured, adapter)) };
    }
    if (!must) return undefined;
    const api = { darwin: 'Metal', win32: 'Direct3D 12' }[process.platform as string] ?? 'Vulkan';
    throw new UserError(
      `${asked}: WebGPU finds no real GPU (looked for adapters with a ${api} driver); install the driver, use \`device: 'wasm'\`, or name a software adapter by \`gpu\``,
    );
  },
  scratchBytes: async () => (await import('../backends/webgpu/leastRule.js')).leastRule(),
};

/** All adapters that WebGPU finds, software ones too. @throws UserError where the `webgpu` package cannot be loaded. */
export async function listGpus(): Promise<DeviceInfo[]> {
  await checkPackage('WebGPU');
  const { listDevices, source } = await load();
  return listDevices(source);
}

/**
 * Measures the kernels of some plans on a GPU, by part of its name, and keeps the fastest candidates in the cache folder.
 * @throws UserError where there is no such GPU, or nothing can be written.
 */
export async function tuneGpu(gpu: string | undefined, work: TuneWork): Promise<TunedGpu> {
  await checkPackage('WebGPU');
  const { source } = await load();
  const tuned = await tuneOn(source, gpu, measured, work);
  return { ...tuned, file: path.join(measured.place, tuned.file!) };
}

/** What the kernel shows of GPUs on Linux: render nodes, NVIDIA's own, and Windows' GPU under WSL. */
const gpuNodes = ['/dev/dri/renderD*', '/dev/nvidia*', '/dev/dxg'] as const;

/** Asked first, as loading a graphics driver takes time, and a machine without a GPU makes it write warnings. */
function mayHaveGpu(): boolean {
  if (process.platform !== 'linux') return true;
  const dri = existsSync('/dev/dri') ? readdirSync('/dev/dri') : [];
  const nvidia = readdirSync('/dev').some((name) => /^nvidia\d+$/.test(name));
  return dri.some((name) => name.startsWith('renderD')) || nvidia || existsSync('/dev/dxg');
}

/** The `webgpu` package is optional: it may be left out, or have no binary for a machine. */
async function checkPackage(asked: string): Promise<void> {
  try {
    await import('webgpu');
  } catch (error) {
    const reason = String((error as Error).message).split('\n')[0];
    throw new UserError(
      `${asked}: the optional package 'webgpu' cannot be loaded on ${process.platform}-${process.arch} (${reason}); npm install webgpu, or use \`device: 'wasm'\``,
    );
  }
}
