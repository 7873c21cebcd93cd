import { Option } from 'commander';
import { UserError } from '../errors.js';
import type { DeviceFlags } from './device.js';
import { whole } from './options.js';

/** Flags of a batch that workers compute. */
export const queueOptions = (): Option[] => [
  new Option('--queue <url>', 'let vnet worker processes do it, such as redis://host:6379; see vnet worker'),
  new Option('--chunk <n>', 'pictures a job').argParser(whole(1, 256)).default(8),
  new Option('--tries <n>', 'times that a picture is begun before it is given up')
    .argParser(whole(1, 1000))
    .default(3),
  new Option('--failures <file>', 'list of the pictures that failed (default: failures.jsonl in --out)'),
];

/** What workers compute on. */
export function queueBackend({ device = 'wasm' }: DeviceFlags): 'wasm' | 'webgpu' {
  if (device === 'wasm' || device === 'webgpu') return device;
  throw new UserError(`--queue goes with --device wasm or webgpu, not ${device}`, 2);
}
