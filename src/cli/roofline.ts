import type { Backend } from '../backends/backend.js';
import { nodeHost } from '../backends/wasm/runtime/node.js';
import { Builder } from '../graph/builder.js';
import { fuse } from '../graph/fuse/index.js';
import { plan } from '../graph/plan.js';
import type { Call, TensorRef } from '../graph/planned.js';
import { bytesOf, sizeOf } from '../ir/value.js';

/** What a device reaches at best with the given threads: the two roofs of a roofline. */
export interface Peaks {
  readonly gflops: number;
  readonly gbytes: number;
}

/** Bytes of the tensors a call reads and writes, each once. */
export const bytesMoved = (call: Call): number =>
  [...Object.values(call.inputs), ...Object.values(call.outputs)]
    .filter((ref): ref is TensorRef => ref !== undefined)
    .reduce((sum, ref) => sum + bytesOf(ref), 0);

/** The roof over a call: the least milliseconds it can take, and what sets them. */
export function roofOf(call: Call, peaks: Peaks): { readonly ms: number; readonly by: 'compute' | 'memory' } {
  const compute = call.flops / peaks.gflops / 1e6;
  const memory = bytesMoved(call) / peaks.gbytes / 1e6;
  return compute >= memory ? { ms: compute, by: 'compute' } : { ms: memory, by: 'memory' };
}

/** Measures both roofs: multiply-adds in registers on one thread, times the threads; and copies of 64 MiB. */
export async function measurePeaks(backend: Backend, threads: number): Promise<Peaks> {
  const wide = (await backend.vectors?.())?.bits === 256;
  const gflops = threads * (await multiplyAddRate(wide));
  const gbytes = await copyRate(backend, threads);
  return { gflops, gbytes };
}

/** GFLOP/s of one thread in a loop of independent vector multiply-adds that touches no memory. */
async function multiplyAddRate(wide: boolean): Promise<number> {
  // Twelve registers' worth.
  const accumulators = wide ? 24 : 12;
  const { instance } = await WebAssembly.instantiate(
    multiplyAddLoop(nodeHost.hasRelaxedSimd(), accumulators),
  );
  const spin = instance.exports.spin as (turns: number) => void;
  const turns = 1e6;
  let best = 0;
  // The first runs are in unoptimised code.
  for (let run = 0; run < 12; run++) {
    const start = performance.now();
    spin(turns);
    best = Math.max(best, (turns * accumulators * 8) / (performance.now() - start) / 1e6);
  }
  return best;
}

/**
 * A WebAssembly module: `spin(turns)` does multiply-adds of four lanes, one a turn for each accumulator, fused where
 * `relaxed`. The sums are stored side by side at the end: from there V8 finds the pairs that it merges.
 */
function multiplyAddLoop(relaxed: boolean, accumulators: number): Uint8Array<ArrayBuffer> {
  const section = (id: number, ...body: number[]) => [id, ...leb(body.length), ...body];
  const madd = relaxed ? [0xfd, 0x85, 0x02] : [0xfd, 0xe6, 0x01];
  // Local 0: turns left; 1: the factor; 2 …: accumulators.
  const turn = Array.from({ length: accumulators }, (_, i) =>
    relaxed
      ? [0x20, 1, 0x20, 1, 0x20, 2 + i, ...madd, 0x21, 2 + i]
      : [0x20, 1, 0x20, 1, ...madd, 0x20, 2 + i, 0xfd, 0xe4, 0x01, 0x21, 2 + i],
  ).flat();
  const stores = Array.from({ length: accumulators }, (_, i) => [
    ...[0x41, 0, 0x20, 2 + i, 0xfd, 0x0b, 4, ...leb(16 * i)],
  ]).flat();
  const code = [
    ...[1, 1 + accumulators, 0x7b],
    ...[0x20, 0, 0xb2, 0xfd, 0x13, 0x21, 1],
    ...[0x03, 0x40, ...turn, 0x20, 0, 0x41, 1, 0x6b, 0x22, 0, 0x0d, 0, 0x0b],
    ...[...stores, 0x0b],
  ];
  const name = [...'spin'].map((letter) => letter.charCodeAt(0));
  return Uint8Array.of(
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, 1, 0x60, 1, 0x7f, 0),
    ...section(3, 1, 0),
    ...section(5, 1, 0, 1),
    ...section(7, 1, name.length, ...name, 0, 0),
    ...section(10, 1, ...leb(code.length), ...code),
  );
}

/** Unsigned LEB128, for lengths below 16384. */
const leb = (n: number): number[] => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);

/** GB/s read and written by the fastest of a few copies of 64 MiB. */
async function copyRate(backend: Backend, threads: number): Promise<number> {
  const b = new Builder('infer');
  const x = b.input('x', [1, 512, 1024, 32], 'f32');
  const probe = plan(
    fuse(b.finish({ y: b.emit('copy', { x }, {}, { label: 'copy' }).y })),
    backend.scratchBytes,
  );
  const executor = await backend.prepare(probe, { threads });
  try {
    executor.write('x', new Float32Array(sizeOf(x.shape)).fill(0.5));
    let best = Number.POSITIVE_INFINITY;
    for (let run = 0; run < 8; run++) best = Math.min(best, (await executor.profile('forward'))[0]);
    return bytesMoved(probe.calls[0]) / best / 1e6;
  } finally {
    await executor.dispose();
  }
}
