/**
 * Convolutions of VNet at 1024×2048 and one or two for each other algorithm, one image, against the machine's ceiling of
 * fused multiply-adds, in processor time.
 * `node build/bench/kernels/conv.js [--threads 1] [--only text] [--runs 5] [--build plain]`
 */

import asc from 'assemblyscript/asc';
import { Command, Option } from 'commander';
import type { Executor } from '../../src/backends/backend.js';
import { createWasmBackend, wasmBackend } from '../../src/backends/wasm/index.js';
import { nodeHost } from '../../src/backends/wasm/runtime/node.js';
import { whole } from '../../src/cli/options.js';
import type { Call, Plan, Slot, TensorRef } from '../../src/graph/planned.js';
import type { DType, Shape, Value } from '../../src/ir/value.js';
import { bytesOf, formatShape, sizeOf } from '../../src/ir/value.js';
import type { ConvAttrs } from '../../src/ops/conv.js';
import { convLength } from '../../src/ops/conv.js';
import type { AttrsOf, InputsOf, KernelName } from '../../src/ops/index.js';
import { ops } from '../../src/ops/index.js';
import type { OpDef } from '../../src/ops/op.js';

const flags = new Command('conv')
  .description(
    'Every algorithm of convolutions, on shapes of VNet and others, against the ceiling of this machine.',
  )
  .option('--threads <n>', 'worker threads', whole(1, 256), 1)
  .option('--runs <n>', 'timed runs; the best counts', whole(1), 5)
  .option('--only <text>', 'only rows whose name or algorithm contains this', '')
  .addOption(new Option('--build <name>', 'of the kernels').choices(['plain', 'relaxed']))
  .addHelpText('after', '\nExample:\n  node build/bench/kernels/conv.js --only 3×1 --threads 2')
  .parse()
  .opts<{ threads: number; runs: number; only: string; build?: 'plain' | 'relaxed' }>();
const { threads } = flags;
const backend = flags.build ? createWasmBackend(flags.build) : wasmBackend;

interface Row {
  readonly name: string;
  readonly x: Shape;
  readonly dtype?: DType;
  /** Elements between pixels of `x` and `y`, where they are parts of wider tensors. */
  readonly xStride?: number;
  readonly yStride?: number;
  readonly cout: number;
  readonly kernel: readonly [number, number];
  readonly stride?: number;
  readonly dilation?: number;
  readonly bias?: boolean;
  /** The second convolution of a V module: its input is a pre-activation, its result is added to the other half. */
  readonly second?: boolean;
  /** Products of 16-bit integers. */
  readonly i16?: boolean;
}

const vModule = (x: Shape, dilation: number): Row[] => {
  const c = x[3];
  const shared = { x, cout: c, dilation };
  return [
    { name: `3×1 d${dilation} ${c}→${c}`, ...shared, kernel: [3, 1], xStride: 2 * c },
    { name: `1×3 d${dilation} ${c}→${c}`, ...shared, kernel: [1, 3], yStride: 2 * c, second: true },
  ];
};

const rows: Row[] = [
  ...[1, 2].flatMap((d) => vModule([1, 256, 512, 32], d)),
  ...[2, 4, 8, 16].flatMap((d) => vModule([1, 128, 256, 76], d)),
  { name: '3×3 s2 u8 3→8', x: [1, 1024, 2048, 3], dtype: 'u8', cout: 8, kernel: [3, 3], stride: 2 },
  { name: '3×3 8→8', x: [1, 512, 1024, 8], cout: 8, kernel: [3, 3] },
  { name: '1×1 s2 8→56', x: [1, 512, 1024, 8], cout: 56, kernel: [1, 1], stride: 2, yStride: 64 },
  { name: '1×1 s2 64→88', x: [1, 256, 512, 64], cout: 88, kernel: [1, 1], stride: 2, yStride: 152 },
  { name: '1×1 152→19', x: [1, 128, 256, 152], cout: 19, kernel: [1, 1], bias: true },
  { name: '3×1 d2 76→76 i16', x: [1, 128, 256, 76], cout: 76, kernel: [3, 1], dilation: 2, i16: true },
  { name: '3×3 64→64', x: [1, 128, 256, 64], cout: 64, kernel: [3, 3] },
  { name: '3×3 d2 64→64', x: [1, 128, 256, 64], cout: 64, kernel: [3, 3], dilation: 2 },
  { name: '3×3 s2 64→64', x: [1, 256, 512, 64], cout: 64, kernel: [3, 3], stride: 2 },
  { name: '3×3 d16 64→64', x: [1, 16, 32, 64], cout: 64, kernel: [3, 3], dilation: 16 },
  { name: '5×5 32→32', x: [1, 128, 256, 32], cout: 32, kernel: [5, 5] },
  { name: '2×2 s2 64→32', x: [1, 256, 512, 64], cout: 32, kernel: [2, 2], stride: 2 },
];

/** Milliseconds of all threads together: other work on the machine disturbs it less than the time of day. */
async function processorTime(work: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** Multiply-adds on 12 independent accumulators and nothing else: what one thread can do at most, in GFLOP/s. */
async function ceiling(): Promise<number> {
  const relaxed = nodeHost.hasRelaxedSimd() && flags.build !== 'plain';
  const names = Array.from({ length: 12 }, (_, i) => `a${i}`);
  const madd = (a: string) =>
    relaxed ? `${a} = f32x4.relaxed_madd(w, w, ${a});` : `${a} = f32x4.add(f32x4.mul(w, w), ${a});`;
  const source = `export function spin(n: i32): f32 {
    const w = f32x4.splat(<f32>n);
    ${names.map((a) => `let ${a} = f32x4.splat(0);`).join(' ')}
    for (let i = 0; i < n; i++) { ${names.map(madd).join(' ')} }
    return ${names.map((a) => `f32x4.extract_lane(${a}, 0)`).join(' + ')};
  }`;
  const { binary } = await asc.compileString(source, {
    optimizeLevel: 3,
    runtime: 'stub',
    enable: relaxed ? ['simd', 'relaxed-simd'] : ['simd'],
  });
  const { instance } = await WebAssembly.instantiate(binary as Uint8Array<ArrayBuffer>);
  const spin = instance.exports.spin as (n: number) => number;
  spin(1e6);
  let best = 0;
  for (let run = 0; run < 5; run++) {
    const milliseconds = await processorTime(() => spin(5e6));
    best = Math.max(best, (5e6 * 12 * 8) / milliseconds / 1e6);
  }
  return best;
}

interface Measured {
  readonly algorithm: string;
  readonly gflops: number;
  readonly scratchBytes: number;
}

/** Best GFLOP/s of a call over some runs; inputs are random, and all convolutions count as direct ones. */
async function speed<K extends KernelName>(
  op: K,
  inputs: InputsOf<K>,
  attrs: AttrsOf<K>,
  strides: Readonly<Record<string, number | undefined>>,
): Promise<Measured> {
  const def = ops[op] as unknown as OpDef<object, object, object>;
  const outputs: Record<string, Value> = {};
  for (const [name, type] of Object.entries(def.infer(inputs, attrs))) {
    outputs[name] = { ...(type as { shape: Shape; dtype: DType }), id: 0, name, role: 'activation' };
  }
  let end = 64;
  const slots: Record<string, Slot> = {};
  const place = (values: object) =>
    Object.fromEntries(
      Object.entries(values).flatMap(([name, value]: [string, Value | undefined]): [string, TensorRef][] => {
        if (!value) return [];
        const [n, h, w, c] = value.shape;
        const pixelStride = strides[name] ?? c;
        const { shape, dtype } = value;
        const ref: TensorRef = { name, shape, dtype, offset: end, pixelStride };
        slots[name] = { ...ref, role: 'input' };
        end += Math.ceil(bytesOf({ shape: [n, h, w, pixelStride], dtype }) / 64) * 64;
        return [[name, ref]];
      }),
    );
  const flops = def.flops({ inputs, outputs, attrs });
  const unplaced = {
    op,
    label: op,
    phase: 'forward',
    inputs: place(inputs),
    outputs: place(outputs),
    attrs,
    flops,
  };
  const bytes = backend.scratchBytes({ ...unplaced, scratch: { offset: 0, bytes: 0 } } as unknown as Call);
  const call = { ...unplaced, scratch: { offset: end, bytes } } as unknown as Call;
  const peak = { label: op, phase: 'forward', bytes: end + bytes } as const;
  const plan: Plan = {
    calls: [call],
    arenaBytes: end + bytes,
    persistentBytes: end + bytes,
    slots,
    flatParams: { offset: 0, length: 0 },
    parameters: 0,
    timeline: [peak],
    peak,
  };
  const executor: Executor = await backend.prepare(plan, { threads });
  for (const [name, value] of Object.entries(inputs as Record<string, Value | undefined>)) {
    if (!value) continue;
    const data =
      value.dtype === 'u8' ? new Uint8Array(sizeOf(value.shape)) : new Float32Array(sizeOf(value.shape));
    const scale = value.dtype === 'u8' ? 256 : 1;
    executor.write(
      name,
      data.map(() => scale * Math.random()),
    );
  }
  for (let run = 0; run < 3; run++) await executor.run('forward');
  let best = Infinity;
  for (let run = 0; run < flags.runs; run++) {
    best = Math.min(best, await processorTime(() => executor.run('forward')));
  }
  await executor.dispose();
  const algorithm = backend.scratchBytes.algorithm?.(call) ?? op;
  return { algorithm, gflops: flops / best / 1e6, scratchBytes: bytes };
}

const value = (name: string, shape: Shape, dtype: DType = 'f32'): Value => {
  return { id: 0, name, shape, dtype, role: 'activation' };
};

const roof = await ceiling();
console.log(`ceiling ${roof.toFixed(1)} GFLOP/s per thread; Winograd multiplies less than is counted here\n`);
const widths = [19, 16, 10, 30, 9, 11, 11];
const print = (...cells: string[]) =>
  console.log(cells.map((cell, i) => (i < 4 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(' '));
print('convolution', 'input', 'direction', 'algorithm', 'GFLOP/s', 'of ceiling', 'scratch MB');

// By name if there is one; by algorithm is known only when all are planned and timed.
const named = rows.filter(({ name }) => name.includes(flags.only));
for (const row of named.length > 0 ? named : rows) {
  const { x: shape, dtype, cout, kernel, stride = 1, dilation = 1, bias, second, i16 } = row;
  const padding = kernel.map((taps) => Math.floor((dilation * (taps - 1)) / 2)) as [number, number];
  const attrs: ConvAttrs = { stride: [stride, stride], padding, dilation: [dilation, dilation], groups: 1 };
  const normalize =
    dtype === 'u8'
      ? { mean: [0.5, 0.5, 0.5].slice(0, shape[3]), std: [0.2, 0.2, 0.2].slice(0, shape[3]) }
      : undefined;
  const forwardAttrs: ConvAttrs = normalize ? { ...attrs, normalize } : attrs;
  const length = (axis: 0 | 1) => convLength(shape[1 + axis], kernel[axis], stride, padding[axis], dilation);
  const yShape: Shape = [shape[0], length(0), length(1), cout];
  const x = value('x', shape, dtype);
  const y = value('y', yShape);
  const vector = (name: string) => value(name, [1, 1, 1, cout]);
  const weight = value('weight', [kernel[0], kernel[1], shape[3], cout]);
  const extra = {
    ...(bias ? { bias: vector('bias') } : {}),
    ...(second ? { residual: value('residual', yShape) } : {}),
    ...(bias ? {} : { slope: vector('slope') }),
  };
  const pre = second ? { preSlope: vector('preSlope') } : {};
  const wide = { x: row.xStride, y: row.yStride, residual: row.yStride, gy: row.yStride };
  const inputs = { gy: y, weight, ...(row.xStride ? { acc: value('acc', shape) } : {}) };
  const inputStrides = { ...wide, gx: row.xStride, acc: row.xStride };
  const measures: readonly [direction: string, measure: () => Promise<Measured>, asked: boolean][] = [
    [
      'forward',
      () =>
        speed('conv2d', { x, weight, ...extra }, i16 ? { ...attrs, products: 'i16' } : forwardAttrs, wide),
      true,
    ],
    [
      'gradInput',
      () => speed('conv2dGradInput', inputs, { ...attrs, height: shape[1], width: shape[2] }, inputStrides),
      dtype !== 'u8' && !i16,
    ],
    [
      'gradWeight',
      () => speed('conv2dGradWeight', { x, gy: y, ...pre }, { ...forwardAttrs, kernel }, wide),
      !i16,
    ],
  ];
  for (const [direction, measure, asked] of measures) {
    if (!asked) continue;
    const { algorithm, gflops, scratchBytes } = await measure();
    if (named.length === 0 && !algorithm.includes(flags.only)) continue;
    const share = `${((100 * gflops) / roof).toFixed(0)} %`;
    const numbers = [gflops.toFixed(1), share, (scratchBytes / 1e6).toFixed(1)];
    print(row.name, formatShape(shape), direction, algorithm, ...numbers);
  }
}
