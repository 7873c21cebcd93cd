/// <reference types="@webgpu/types" />
import { DeviceError, UserError } from '../../errors.js';
import { describeAdapter } from './devices.js';
import type { Capabilities } from './kernels/kernel.js';
import type { MemoryLimits } from './windows.js';

/** Of Dawn, in Node alone so far: products of small matrices by a whole subgroup, where the GPU has units for them. */
const MATRICES = 'chromium-experimental-subgroup-matrix';
/** Features that kernels or the profiler use where they are there. */
const wanted: readonly string[] = ['timestamp-query', 'shader-f16', 'subgroups', MATRICES];

/** A GPU in use: its device, and the first error that no caller was there to receive. */
export class Gpu {
  private failure: DeviceError | undefined;
  /** Compiled shaders by text. */
  readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  private readonly bindLayouts = new Map<number, GPUBindGroupLayout>();

  private constructor(
    readonly device: GPUDevice,
    readonly name: string,
    /** What kernels may use. */
    readonly capabilities: Capabilities,
  ) {
    device.addEventListener('uncapturederror', (event) => {
      this.fail(`webgpu: ${name}: ${firstLine(event.error.message)}`);
    });
    device.lost.then(({ reason, message }) => {
      if (reason !== 'destroyed') this.fail(`webgpu: the GPU was lost (${firstLine(message)}); start again`);
    });
  }

  /** Opens a device with the adapter's own limits. */
  static async open(adapter: GPUAdapter): Promise<Gpu> {
    const { name, vendor, architecture, isSoftware } = describeAdapter(adapter);
    const { limits } = adapter;
    try {
      const device = await adapter.requestDevice({
        requiredFeatures: wanted.filter((feature) => adapter.features.has(feature)) as GPUFeatureName[],
        requiredLimits: {
          maxBufferSize: limits.maxBufferSize,
          maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
          maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
          minStorageBufferOffsetAlignment: limits.minStorageBufferOffsetAlignment,
          maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
          maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
          maxComputeWorkgroupSizeX: limits.maxComputeWorkgroupSizeX,
        },
      });
      const family = { vendor: isSoftware ? 'software' : vendor, architecture };
      return new Gpu(device, name, { ...capabilitiesOf(device, adapter.info), family });
    } catch (error) {
      throw new UserError(`webgpu: ${name} cannot be opened: ${firstLine(String(error))}`);
    }
  }

  get memory(): MemoryLimits {
    const { limits } = this.device;
    return {
      bufferBytes: Math.floor(limits.maxBufferSize / 256) * 256,
      bindingBytes: Math.floor(limits.maxStorageBufferBindingSize / 256) * 256,
      alignment: limits.minStorageBufferOffsetAlignment,
      bindings: limits.maxStorageBuffersPerShaderStage,
    };
  }

  /** Throws what went wrong since the device was opened, if anything did. */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /** Nothing runs on it any more. */
  get isLost(): boolean {
    return this.failure !== undefined;
  }

  /** As {@link check}, after an error: that the GPU is lost may be told a moment later than what fails for it. */
  async checkSoon(): Promise<void> {
    await Promise.race([this.device.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
    this.check();
  }

  /** The layout of `bindings` storage buffers, all of them writable, and one uniform after them. */
  bindLayout(bindings: number): GPUBindGroupLayout {
    let layout = this.bindLayouts.get(bindings);
    if (!layout) {
      layout = this.device.createBindGroupLayout({
        entries: Array.from({ length: bindings + 1 }, (_, binding) => ({
          binding,
          visibility: GPU_SHADER_STAGE_COMPUTE,
          buffer: { type: binding < bindings ? 'storage' : 'uniform' },
        })),
      });
      this.bindLayouts.set(bindings, layout);
    }
    return layout;
  }

  private fail(message: string): void {
    this.failure ??= new DeviceError(message);
  }
}

function capabilitiesOf({ features, limits }: GPUDevice, info: MatrixInfo): Omit<Capabilities, 'family'> {
  const matrices = features.has(MATRICES) ? [...(info.subgroupMatrixConfigs ?? [])] : [];
  return {
    workgroupBytes: limits.maxComputeWorkgroupStorageSize,
    invocations: Math.min(limits.maxComputeInvocationsPerWorkgroup, limits.maxComputeWorkgroupSizeX),
    features,
    matrices: matrices
      .filter(
        ({ componentType, resultComponentType }) => componentType === 'f16' && resultComponentType === 'f32',
      )
      .map(({ M, N, K }) => ({ m: M, n: N, k: K })),
    subgroupSize: info.subgroupMinSize === info.subgroupMaxSize ? (info.subgroupMinSize ?? 0) : 0,
  };
}

/** What Dawn says of an adapter beside what the standard has. */
type MatrixInfo = GPUAdapterInfo & {
  readonly subgroupMatrixConfigs?: Iterable<{
    readonly componentType: string;
    readonly resultComponentType: string;
    readonly M: number;
    readonly N: number;
    readonly K: number;
  }>;
};

/** `GPUShaderStage.COMPUTE`, `GPUBufferUsage` and `GPUMapMode` as numbers: Dawn for Node defines no globals. */
const GPU_SHADER_STAGE_COMPUTE = 4;
export const bufferUsage = {
  mapRead: 0x1,
  mapWrite: 0x2,
  copySource: 0x4,
  copyDestination: 0x8,
  uniform: 0x40,
  storage: 0x80,
  queryResolve: 0x200,
} as const;
export const MAP_READ = 1;
export const MAP_WRITE = 2;

export const firstLine = (text: string): string => text.split('\n')[0].trim();
