/** What others see of this backend: no type of WebGPU itself, which TypeScript's own library has only lately. */
import type { Backend } from '../backend.js';
import type { Lowering } from './lowering.js';

/** One GPU, as `vnet devices` shows it. */
export interface DeviceInfo {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** True for an adapter that runs on the CPU; never chosen unless it is named. */
  readonly isSoftware: boolean;
  readonly features: readonly string[];
  /** Bytes of one buffer, of one binding, and of workgroup memory; invocations of one workgroup. */
  readonly limits: {
    readonly maxBufferSize: number;
    readonly maxStorageBufferBindingSize: number;
    readonly maxStorageBuffersPerShaderStage: number;
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
  };
}

export interface WebGpuBackend extends Backend {
  /** The GPU's own name. */
  readonly device: string;
  /** The ways that its kernels go, and those it can go. */
  readonly lowering: Lowering;
  /** Frees the device; executors of this backend cannot be used afterwards. */
  dispose(): void;
}
