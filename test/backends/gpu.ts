/** The GPUs that tests run on: every adapter Dawn finds, with Chromium's software Vulkan where it is installed. */
import { existsSync } from 'node:fs';
import { dawnGpus } from '../../src/backends/webgpu/dawn.js';
import type { WebGpuBackend } from '../../src/backends/webgpu/index.js';
import { describeAdapter, webgpuBackend } from '../../src/backends/webgpu/index.js';
import type { MemoryLimits } from '../../src/backends/webgpu/windows.js';

const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(swiftShader)) process.env.VK_ADD_DRIVER_FILES ??= swiftShader;

/** Part of an adapter's name, to test on that one only. */
const only = process.env.TEST_GPU;

const found = await dawnGpus.adapters();
/** Adapters by name. */
export const adapters = found.filter((adapter) => !only || describeAdapter(adapter).name.includes(only));
if (adapters.length === 0) console.log('skipped: no WebGPU adapter (npm package webgpu and a Vulkan driver)');

/** A backend on an adapter; adapters can be asked for one device only, so it is looked up again. */
export async function backendOn(name: string, memory: Partial<MemoryLimits> = {}): Promise<WebGpuBackend> {
  const adapter = (await dawnGpus.adapters()).find((a) => describeAdapter(a).name === name);
  if (!adapter) throw new Error(`adapter ${name} is gone`);
  return webgpuBackend(adapter, memory);
}
