/// <reference types="@webgpu/types" />
import type { GpuSource } from './devices.js';

type Dawn = typeof import('webgpu');

/** Kept like `instances`. */
let probe: GPU | undefined;
let loading: Promise<Dawn | undefined> | undefined;

/** Dawn for Node is optional: without the package, or its binary for this machine, there are no GPUs. */
const load = (): Promise<Dawn | undefined> => {
  loading ??= import('webgpu').catch(() => undefined);
  return loading;
};

/** Dawn has no call that lists adapters, but names them all when it is asked for one that does not exist. */
async function adapterNames(dawn: Dawn): Promise<string[]> {
  try {
    probe = dawn.create(['adapter=no such adapter']);
    await probe.requestAdapter();
    return [];
  } catch (error) {
    return [...String(error).matchAll(/name: '(.*)'/g)].map(([, name]) => name);
  }
}

/**
 * Kernels write workgroup memory before they read it: zeroing it costs time, and most of SwiftShader's compile time.
 * Timestamps are not rounded (to 0.1 ms, against pages that spy). Dawn hides float16 on NVIDIA's GPUs because of a few
 * failing conformance tests, and products of matrices by a subgroup as they are not in the standard yet. Without the checks of
 * indices, which pages must have and these kernels do not need, the kernels of a training step take 7 % less on an H200.
 */
const features = [
  'enable-dawn-features=disable_workgroup_init,disable_robustness,allow_unsafe_apis,vulkan_enable_f16_on_nvidia',
  'disable-dawn-features=timestamp_quantization',
];

/** Dawn's instances by adapter name: they must outlive the devices made from them. */
const instances = new Map<string, GPU>();

/** GPUs that Node reaches through Dawn: Vulkan, Metal or Direct3D 12. */
export const dawnGpus: GpuSource = {
  async adapters() {
    const dawn = await load();
    if (!dawn) return [];
    if (instances.size === 0) {
      for (const name of await adapterNames(dawn))
        instances.set(name, dawn.create([`adapter=${name}`, ...features]));
    }
    const found = await Promise.all(
      [...instances.values()].map((gpu) =>
        gpu.requestAdapter({ powerPreference: 'high-performance' }).catch(() => null),
      ),
    );
    return found.filter((adapter) => adapter !== null);
  },
};
