/** What `wasm-wide.test.ts` runs in processes of their own: prints the register blocks, and a digest of what is computed. */
import { createHash } from 'node:crypto';
import { setFlagsFromString } from 'node:v8';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { inference, trainingStep } from './network.js';

const { bits, pixels, why } = await wasmBackend.vectors!();
// Only the optimising compiler merges vectors; short runs would end before it takes over. (Leaving out the other compiler,
// `--no-liftoff`, ends Node 26: V8 14 inlines by what that one has counted. Node 22 takes minutes with such a budget, and merges
// nothing.)
if (Number.parseInt(process.versions.node, 10) >= 24) {
  setFlagsFromString('--wasm-sync-tier-up');
  setFlagsFromString('--wasm-tiering-budget=1');
}
const digests: Record<string, string> = {};
for (const [name, size] of [
  ['vnet', { batch: 2, height: 70, width: 110 }],
  ['erfnet', { batch: 1, height: 64, width: 96 }],
  ['icnet', { batch: 1, height: 64, width: 96 }],
  ['enet', { batch: 1, height: 64, width: 96 }],
] as const) {
  const network = networkFromConfig(name, { classes: 11 });
  for (const [slot, values] of await trainingStep(wasmBackend, network, size, 5, { threads: 2 })) {
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    digests[`${name} ${slot}`] = createHash('sha256').update(bytes).digest('hex');
  }
}
// Inference has kernels of its own: joined convolutions, folded batch norms, images as bytes.
for (const [name, height, width] of [
  ['vnet', 256, 512],
  ['vnet', 131, 93],
  ['erfnet', 128, 192],
  ['enet', 128, 96],
  ['espnet', 128, 96],
  ['icnet', 64, 96],
] as const) {
  const network = networkFromConfig(name, { classes: 11 });
  for (const output of ['logits', 'labels'] as const) {
    const values = await inference(wasmBackend, network, [1, height, width], output, 6);
    const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    digests[`${name} ${height}×${width} ${output}`] = createHash('sha256').update(bytes).digest('hex');
  }
}
process.stdout.write(JSON.stringify({ bits, pixels, why, digests }));
