/// <reference types="@webgpu/types" />
import { UserError } from '../../errors.js';
import type { DeviceInfo } from './info.js';

/** Where adapters come from: `navigator.gpu` in a browser, Dawn in Node. The preferred one first. */
export interface GpuSource {
  adapters(): Promise<GPUAdapter[]>;
}

const softwareNames = /swiftshader|llvmpipe|lavapipe|softpipe|microsoft basic render|software/i;

/** What an adapter says of itself. */
export function describeAdapter(adapter: GPUAdapter): DeviceInfo {
  const { vendor, architecture, device, description } = adapter.info;
  const name = [description, device, architecture, vendor].find((text) => text) ?? 'unnamed GPU';
  const isSoftware =
    adapter.info.isFallbackAdapter ||
    softwareNames.test(`${vendor} ${architecture} ${device} ${description}`);
  const { limits } = adapter;
  return {
    ...{ name, vendor, architecture, isSoftware },
    features: [...adapter.features].sort(),
    limits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
      maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
      maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
      maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
    },
  };
}

/** All GPUs of a source. */
export const listDevices = async (source: GpuSource): Promise<DeviceInfo[]> =>
  (await source.adapters()).map(describeAdapter);

/**
 * The adapter to run on. Without a name the first that is not software, or `undefined`; with one the first whose name,
 * vendor or architecture contains it, software or not. Throws `UserError` if none does.
 */
export async function chooseAdapter(source: GpuSource, name?: string): Promise<GPUAdapter | undefined> {
  const adapters = await source.adapters();
  if (name === undefined) return adapters.find((adapter) => !describeAdapter(adapter).isSoftware);
  const chosen = adapters.find((adapter) => {
    const { vendor, architecture, device, description } = adapter.info;
    return `${description} ${device} ${architecture} ${vendor}`.toLowerCase().includes(name.toLowerCase());
  });
  if (chosen) return chosen;
  const names = adapters.map((adapter) => describeAdapter(adapter).name).join(', ');
  throw new UserError(
    `\`gpu: '${name}'\`: no such GPU; ${names ? `there are: ${names}` : 'WebGPU finds none here'}`,
  );
}

/** The browser's GPUs; empty where it has no WebGPU. */
export const browserGpus: GpuSource = {
  async adapters() {
    if (typeof navigator === 'undefined' || !navigator.gpu) return [];
    const preferences = ['high-performance', 'low-power'] as const;
    const found = await Promise.all(
      preferences.map((powerPreference) => navigator.gpu.requestAdapter({ powerPreference })),
    );
    const adapters = found.filter((adapter) => adapter !== null);
    const nameOf = (adapter: GPUAdapter) => describeAdapter(adapter).name;
    return adapters.filter((adapter, i) => adapters.findIndex((a) => nameOf(a) === nameOf(adapter)) === i);
  },
};
