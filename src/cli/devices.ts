import { availableParallelism } from 'node:os';
import { Command } from 'commander';
import pc from 'picocolors';
import { wasmBackend } from '../backends/wasm/index.js';
import type { DeviceInfo } from '../backends/webgpu/info.js';
import { listGpus } from '../device.js';
import { formatBytes } from '../report/format.js';
import { jsonOption } from './options.js';

export const devicesCommand = (): Command =>
  new Command('devices')
    .summary('the GPUs that WebGPU finds, with features and limits')
    .description(
      'Lists the adapters that --device webgpu and --gpu NAME can use, with their features and limits. Software ' +
        'adapters run on the CPU and are slow; they are taken only where --gpu names them.',
    )
    .addOption(jsonOption())
    .addHelpText('after', '\nExample:\n  vnet devices --json')
    .action(async ({ json }: { json?: boolean }) => {
      const gpus = await listGpus();
      if (json) process.stdout.write(`${JSON.stringify(gpus, null, 2)}\n`);
      else process.stdout.write(`\n${[...gpus.map(render), await cpu(gpus)].join('\n\n')}\n\n`);
    });

function render({ name, vendor, architecture, isSoftware, features, limits }: DeviceInfo): string {
  const kind = isSoftware ? pc.yellow('software adapter') : pc.green('GPU');
  const rows = [
    ['type', `${kind}, vendor ${vendor || 'unknown'}, architecture ${architecture || 'unknown'}`],
    ['largest buffer', formatBytes(limits.maxBufferSize)],
    ['largest binding', formatBytes(limits.maxStorageBufferBindingSize)],
    ['bindings', `${limits.maxStorageBuffersPerShaderStage} storage buffers a shader`],
    [
      'workgroup',
      `${limits.maxComputeInvocationsPerWorkgroup} invocations, ${formatBytes(limits.maxComputeWorkgroupStorageSize)} of shared memory`,
    ],
    ['features', features.join(', ')],
  ];
  return [pc.bold(name), ...rows.map(([title, value]) => `  ${title.padEnd(16)}${value}`)].join('\n');
}

async function cpu(gpus: readonly DeviceInfo[]): Promise<string> {
  const { bits, why } = await wasmBackend.vectors!();
  const real = gpus.find(({ isSoftware }) => !isSoftware);
  const choice = real ? `--device auto takes ${real.name}` : '--device auto takes the CPU: no real GPU here';
  return `${pc.bold('CPU')}: --device wasm, ${availableParallelism()} threads, vectors of ${bits} bits (${why})\n${pc.dim(choice)}`;
}
