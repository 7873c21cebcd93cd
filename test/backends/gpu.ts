/** The GPUs that tests run on: every adapter Dawn finds, with Chromium's software Vulkan where it is installed. */
import { existsSync } from 'node:fs';
import { dawnGpus } from '../../src/backends/webgpu/dawn.js';
import type { WebGpuBackend } from '../../src/backends/webgpu/index.js';
import { describeAdapter, webgpuBackend } from '../../src/backends/webgpu/index.js';
import type { MemoryLimits } from '../../src/backends/webgpu/windows.js';

const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
if (existsSync(swiftShader)) process.env.VK_ADD_DRIVER_FILES ??= swiftShader;
// Mesa's software Vulkan spends most of a test in compiling shaders; these make it shorter by two thirds.
process.env.GALLIVM_PERF ??= 'nopt';
process.env.LP_NATIVE_VECTOR_WIDTH ??= '128';

/** Part of an adapter's name, to test on that one only; `all` for every adapter. */
const wanted = process.env.TEST_GPU;

const found = await dawnGpus.adapters();
const nameOf = (adapter: (typeof found)[number]) => describeAdapter(adapter).name;
const named = (part: string) => found.filter((adapter) => nameOf(adapter).includes(part));

/** The adapters to test. By default one: software adapters take minutes, most of it compiling shaders. */
export const adapters =
  wanted === 'all' ? found : wanted ? named(wanted) : [...named('SwiftShader'), ...found].slice(0, 1);
if (adapters.length === 0) console.log('skipped: no WebGPU adapter (npm package webgpu and a Vulkan driver)');
for (const adapter of found) {
  if (!adapters.includes(adapter)) console.log(`not tested: ${nameOf(adapter)} (TEST_GPU=all does)`);
}

/** The adapter for tests of float16, `undefined` where none has it (which is said). */
export const halfAdapter = found.map(describeAdapter).find(({ features }) => features.includes('shader-f16'));
if (!halfAdapter) console.log('skipped: no WebGPU adapter with shader-f16 (Mesa 25 has one)');

/** A backend on an adapter; adapters can be asked for one device only, so it is looked up again. */
export async function backendOn(name: string, memory: Partial<MemoryLimits> = {}): Promise<WebGpuBackend> {
  const adapter = (await dawnGpus.adapters()).find((a) => describeAdapter(a).name === name);
  if (!adapter) throw new Error(`adapter ${name} is gone`);
  return webgpuBackend(adapter, memory);
}
