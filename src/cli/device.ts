import { InvalidArgumentError, Option } from 'commander';
import type { Backend } from '../backends/backend.js';
import { wasmBackend } from '../backends/wasm/index.js';
import type { Precision } from '../compile.js';
import { precisions, trainingPrecisions } from '../compile.js';
import type { DeviceName } from '../device.js';
import { deviceNames, openDevice } from '../device.js';
import { Progress } from './progress.js';

/** Of commands without {@link deviceOptions}. */
export const defaultBackend: Backend = wasmBackend;

/** Flags that choose where a command runs. */
export interface DeviceFlags {
  readonly device?: DeviceName;
  readonly gpu?: string;
}

export function deviceName(text: string): DeviceName {
  const found = deviceNames.find((name) => name === text);
  if (found) return found;
  throw new InvalidArgumentError('Expected auto, webgpu or wasm.');
}

/** `reference` is accepted but not shown: it is for those who compare numbers. */
export const deviceOptions = (): Option[] => [
  new Option('--device <name>', 'auto | webgpu | wasm (default: auto, a real GPU, else CPU cores)').argParser(
    deviceName,
  ),
  new Option('--gpu <name>', "a GPU by part of its name, see 'vnet devices'"),
];

export interface PrecisionFlags {
  readonly precision?: Precision;
}

export const precisionOption = (): Option =>
  new Option(
    '--precision <type>',
    'default: f32; f16 halves the memory on GPUs that have it, i16 (CPU cores) and i8 (GPUs) multiply small integers, for inference',
  ).choices(precisions);

export const trainingPrecisionOption = (): Option =>
  new Option(
    '--precision <type>',
    'storage of feature maps (default: f32); f16 halves the memory on GPUs that have it',
  ).choices(trainingPrecisions);

/** Milliseconds after which somebody wonders what happens. */
const PATIENCE = 2000;

/** The device that was asked for; where it takes long to compile a plan's shaders, that is shown. */
export async function openBackend({ device, gpu }: DeviceFlags): Promise<Backend> {
  const backend = await openDevice(device, gpu);
  if (backend.name !== 'webgpu') return backend;
  return {
    ...backend,
    async prepare(plan, options) {
      const started = performance.now();
      let progress: Progress | undefined;
      try {
        return await backend.prepare(plan, {
          ...options,
          onProgress(done, total) {
            if (!progress && performance.now() - started < PATIENCE) return;
            progress ??= new Progress('shaders', total);
            progress.update(done);
          },
        });
      } finally {
        progress?.stop();
      }
    },
  };
}
