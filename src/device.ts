/// <reference types="@webgpu/types" />
import { existsSync, readdirSync } from 'node:fs';
import type { Backend } from './backends/backend.js';
import { wasmBackend } from './backends/wasm/index.js';
import type { DeviceInfo } from './backends/webgpu/index.js';
import { UserError } from './errors.js';
import type { ScratchRule } from './graph/planned.js';

/**
 * Where plans run. `auto`: a real GPU where there is one, else the CPU; `webgpu`: a GPU; `wasm`: CPU cores;
 * `reference`: float64 in plain TypeScript, slow, for comparisons.
 */
export type DeviceName = (typeof deviceNames)[number];
export const deviceNames = ['auto', 'webgpu', 'wasm', 'reference'] as const;

/** WebGPU and the reference are loaded when they are asked for: the CPU backend needs neither. */
const loadGpu = async () => {
  const [webgpu, { dawnGpus }] = await Promise.all([
    import('./backends/webgpu/index.js'),
    import('./backends/webgpu/dawn.js'),
  ]);
  return { ...webgpu, source: dawnGpus };
};

/**
 * Opens a device by its name.
 * @param device default `auto`, which never takes a software adapter.
 * @param gpu part of an adapter's name, vendor or architecture (see {@link listGpus}): takes that one, software or not.
 * @throws UserError, one line with what was looked for, where `webgpu` or `gpu` is asked for and cannot be had.
 */
export async function openDevice(device: DeviceName = 'auto', gpu?: string): Promise<Backend> {
  checkGpuName(device, gpu);
  if (device === 'reference') return (await import('./backends/reference/index.js')).referenceBackend;
  if (device === 'wasm') return wasmBackend;
  const adapter = await findAdapter(device, gpu);
  return adapter ? (await loadGpu()).webgpuBackend(adapter) : wasmBackend;
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

/** The device of a place, opened at its first use. @throws UserError as {@link openDevice}. */
export function deviceAt({ device = 'wasm', gpu }: Place): Promise<Backend> {
  if (typeof device !== 'string') return Promise.resolve(device);
  const key = `${device} ${gpu ?? ''}`;
  let backend = opened.get(key);
  if (!backend) {
    backend = openDevice(device, gpu);
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
): Promise<{ name: Backend['name']; scratchBytes: ScratchRule }> {
  checkGpuName(device, gpu);
  if (device === 'wasm' || device === 'reference') return openDevice(device);
  const known = device === 'webgpu' && gpu === undefined;
  if (!known && !(await findAdapter(device, gpu))) return wasmBackend;
  const { scratchBytes } = await import('./backends/webgpu/kernels/index.js');
  return { name: 'webgpu', scratchBytes };
}

/** All adapters that WebGPU finds, software ones too. @throws UserError where the `webgpu` package cannot be loaded. */
export async function listGpus(): Promise<DeviceInfo[]> {
  await checkPackage('vnet devices');
  const { listDevices, source } = await loadGpu();
  return listDevices(source);
}

function checkGpuName(device: DeviceName, gpu: string | undefined): void {
  if (gpu === undefined || device === 'auto' || device === 'webgpu') return;
  throw new UserError(`--gpu ${gpu}: has no meaning with --device ${device}; expected --device webgpu`, 2);
}

/** @returns undefined only for `auto` without a name. */
async function findAdapter(device: DeviceName, gpu: string | undefined): Promise<GPUAdapter | undefined> {
  const must = device === 'webgpu' || gpu !== undefined;
  const flag = gpu === undefined ? '--device webgpu' : `--gpu ${gpu}`;
  if (gpu === undefined && !mayHaveGpu()) {
    if (!must) return undefined;
    throw new UserError(
      `${flag}: this machine shows no GPU (looked for ${gpuNodes.join(', ')}); use --device wasm, or name a software adapter of 'vnet devices' with --gpu`,
    );
  }
  if (must) await checkPackage(flag);
  const { chooseAdapter, source } = await loadGpu();
  const adapter = await chooseAdapter(source, gpu);
  if (adapter || !must) return adapter;
  const api = { darwin: 'Metal', win32: 'Direct3D 12' }[process.platform as string] ?? 'Vulkan';
  throw new UserError(
    `${flag}: WebGPU finds no real GPU (looked for adapters with a ${api} driver); install the driver, use --device wasm, or name a software adapter of 'vnet devices' with --gpu`,
  );
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
async function checkPackage(flag: string): Promise<void> {
  try {
    await import('webgpu');
  } catch (error) {
    const reason = String((error as Error).message).split('\n')[0];
    throw new UserError(
      `${flag}: the optional package 'webgpu' cannot be loaded on ${process.platform}-${process.arch} (${reason}); npm install webgpu, or use --device wasm`,
    );
  }
}
