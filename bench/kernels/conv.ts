/**
 * Convolutions of VNet at 1024×2048 and one or two for each other algorithm, one image, against the machine's ceiling of
 * fused multiply-adds; on vectors of 128 and of 256 bits side by side, where this machine and Node have
 * both. `node build/bench/kernels/conv.js [--threads 1] [--only text] [--runs 5] [--build plain]`
 */

import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Command, Option } from 'commander';
import type { Executor } from '../../src/backends/backend.js';
import { createWasmBackend, wasmBackend } from '../../src/backends/wasm/index.js';
import { whole } from '../../src/cli/options.js';
import { measurePeaks } from '../../src/cli/roofline.js';
import { Builder } from '../../src/graph/builder.js';
import { fuse } from '../../src/graph/fuse/index.js';
import { plan } from '../../src/graph/plan.js';
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
  .option('--width <bits>', 'only vectors of this width, and figures as JSON', whole(128, 256))
  .addHelpText('after', '\nExample:\n  node build/bench/kernels/conv.js --only 3×1 --threads 2')
  .parse()
  .opts<{ threads: number; runs: number; only: string; build?: 'plain' | 'relaxed'; width?: number }>();
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
  { name: '7×7 s2 u8 3→64', x: [1, 512, 1024, 3], dtype: 'u8', cout: 64, kernel: [7, 7], stride: 2 },
  { name: '3×3 s2 u8 3→13', x: [1, 512, 1024, 3], dtype: 'u8', cout: 13, kernel: [3, 3], stride: 2 },
  { name: '3×3 8→8', x: [1, 512, 1024, 8], cout: 8, kernel: [3, 3] },
  { name: '1×1 s2 8→56', x: [1, 512, 1024, 8], cout: 56, kernel: [1, 1], stride: 2, yStride: 64 },
  { name: '1×1 s2 64→88', x: [1, 256, 512, 64], cout: 88, kernel: [1, 1], stride: 2, yStride: 152 },
  { name: '1×1 152→19', x: [1, 128, 256, 152], cout: 19, kernel: [1, 1], bias: true },
  { name: '3×1 d2 76→76 i16', x: [1, 128, 256, 76], cout: 76, kernel: [3, 1], dilation: 2, i16: true },
  { name: '3×3 64→64', x: [1, 128, 256, 64], cout: 64, kernel: [3, 3] },
  { name: '3×3 d2 64→64', x: [1, 128, 256, 64], cout: 64, kernel: [3, 3], dilation: 2 },
  { name: '1×1 1024→256', x: [1, 64, 128, 1024], cout: 256, kernel: [1, 1] },
  { name: '3×3 s2 64→64', x: [1, 256, 512, 64], cout: 64, kernel: [3, 3], stride: 2 },
  { name: '3×3 d16 64→64', x: [1, 16, 32, 64], cout: 64, kernel: [3, 3], dilation: 16 },
  { name: '5×5 32→32', x: [1, 128, 256, 32], cout: 32, kernel: [5, 5] },
  { name: '2×2 s2 64→32', x: [1, 256, 512, 64], cout: 32, kernel: [2, 2], stride: 2 },
];

/** F or G of a V module. */
const pairs: readonly (readonly [x: Shape, dilation: number])[] = [
  [[1, 256, 512, 32], 1],
  [[1, 128, 256, 76], 2],
  [[1, 128, 256, 76], 16],
];

const pairName = ([x, dilation]: (typeof pairs)[number]): string => `pair d${dilation} ${x[3]}→${x[3]}`;

interface Speed {
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
): Promise<Speed> {
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
    if (value) executor.write(name, randomOf(value));
  }
  const best = await least(executor);
  const algorithm = backend.scratchBytes.algorithm?.(call) ?? op;
  return { algorithm, gflops: flops / best / 1e6, scratchBytes: bytes };
}

/**
 * Milliseconds of all threads together in the best of some runs, by the clocks of the threads: a system tells the processor time of
 * a thread that still runs some milliseconds late. The executor is done then.
 */
async function least(executor: Executor): Promise<number> {
  for (let run = 0; run < 3; run++) await executor.run('forward');
  let best = Infinity;
  for (let run = 0; run < flags.runs; run++) {
    const times = await executor.profile('forward');
    best = Math.min(best, threads * times.reduce((sum, ms) => sum + ms, 0));
  }
  await executor.dispose();
  return best;
}

function randomOf({ shape, dtype }: { shape: Shape; dtype: DType }): Float32Array | Uint8Array {
  const data = dtype === 'u8' ? new Uint8Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  return data.map(() => (dtype === 'u8' ? 256 : 1) * Math.random());
}

/** A 3×1 and a 1×3 convolution as the one kernel that inference makes of them: half of a V module. */
async function pairSpeed(x: Shape, dilation: number): Promise<Speed> {
  const b = new Builder('infer');
  const [whole, c] = [b.input('x', [x[0], x[1], x[2], 2 * x[3]], 'f32'), x[3]];
  const [x1, x2] = b.split(whole, [c, c]);
  const shared = { out: c, dilation };
  const down = b.prelu('down', b.conv('down', x2, { ...shared, kernel: [3, 1] }));
  const along = b.conv('along', down, { ...shared, kernel: [1, 3] });
  const both = plan(fuse(b.finish({ y: b.add(x1, along) })), backend.scratchBytes);
  const executor = await backend.prepare(both, { threads });
  for (const [name, slot] of Object.entries(both.slots)) {
    if (slot.role !== 'output') executor.write(name, randomOf(slot));
  }
  await executor.run('prepare');
  const flops = both.calls.reduce((sum, call) => sum + (call.phase === 'forward' ? call.flops : 0), 0);
  const algorithm = both.calls
    .map((call) => backend.scratchBytes.algorithm?.(call))
    .find((name) => name !== undefined);
  const scratchBytes = both.calls.reduce((sum, { kept, scratch }) => sum + (kept ?? scratch).bytes, 0);
  return { algorithm: algorithm ?? 'none', gflops: flops / (await least(executor)) / 1e6, scratchBytes };
}

const value = (name: string, shape: Shape, dtype: DType = 'f32'): Value => {
  return { id: 0, name, shape, dtype, role: 'activation' };
};

interface Measured extends Speed {
  /** Convolution, input, direction. */
  readonly title: readonly string[];
}

/** All figures of one width. */
interface Figures {
  readonly bits: number;
  readonly roof: number;
  readonly measured: readonly Measured[];
}

const measured: Measured[] = [];
if (flags.width === undefined) {
  const widths = flags.build === undefined && (await backend.vectors!()).bits === 256 ? [128, 256] : [128];
  print(widths.map(figuresOf));
} else {
  const { gflops: roof } = await measurePeaks(backend, 1);
  await measureAll();
  const { bits } = await backend.vectors!();
  process.stdout.write(JSON.stringify({ bits, roof, measured } satisfies Figures));
}

/** Measured by a process of its own: V8 merges vectors for a whole process. */
function figuresOf(bits: number): Figures {
  const args = [fileURLToPath(import.meta.url), ...process.argv.slice(2), '--width', String(bits)];
  const env = { ...process.env, VNET_SIMD: String(bits) };
  const { stdout, status } = spawnSync(process.execPath, args, {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) process.exit(status ?? 1);
  return JSON.parse(stdout) as Figures;
}

function print(all: readonly Figures[]): void {
  for (const { bits, roof } of all) {
    console.log(`${bits} bits: ceiling ${roof.toFixed(1)} GFLOP/s per thread`);
  }
  console.log('Winograd multiplies less than is counted here\n');
  const columns = all.flatMap(({ bits }) => [`${bits}: GFLOP/s`, 'of ceiling']);
  const lines = all[0].measured.map(({ title, algorithm, scratchBytes }, i) => [
    ...title,
    algorithm,
    ...all.flatMap(({ roof, measured }) => {
      const { gflops } = measured[i];
      return [gflops.toFixed(1), `${((100 * gflops) / roof).toFixed(0)} %`];
    }),
    (scratchBytes / 1e6).toFixed(1),
  ]);
  const table = [['convolution', 'input', 'direction', 'algorithm', ...columns, 'scratch MB'], ...lines];
  const wide = table[0].map((_, column) => Math.max(...table.map((line) => line[column].length)));
  for (const line of table) {
    console.log(line.map((cell, i) => (i < 4 ? cell.padEnd(wide[i]) : cell.padStart(wide[i]))).join('  '));
  }
}

async function measureAll(): Promise<void> {
  // By name if there is one; by algorithm is known only when all are planned and timed.
  const named = rows.filter(({ name }) => name.includes(flags.only));
  const namedPairs = pairs.filter((pair) => pairName(pair).includes(flags.only));
  for (const row of named.length + namedPairs.length > 0 ? named : rows) {
    const { x: shape, dtype, cout, kernel, stride = 1, dilation = 1, bias, second, i16 } = row;
    const padding = kernel.map((taps) => Math.floor((dilation * (taps - 1)) / 2)) as [number, number];
    const attrs: ConvAttrs = { stride: [stride, stride], padding, dilation: [dilation, dilation], groups: 1 };
    const normalize =
      dtype === 'u8'
        ? { mean: [0.5, 0.5, 0.5].slice(0, shape[3]), std: [0.2, 0.2, 0.2].slice(0, shape[3]) }
        : undefined;
    const forwardAttrs: ConvAttrs = normalize ? { ...attrs, normalize } : attrs;
    const length = (axis: 0 | 1) =>
      convLength(shape[1 + axis], kernel[axis], stride, padding[axis], dilation);
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
    const measures: readonly [direction: string, measure: () => Promise<Speed>, asked: boolean][] = [
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
      const one = await measure();
      if (named.length === 0 && !one.algorithm.includes(flags.only)) continue;
      measured.push({ title: [row.name, formatShape(shape), direction], ...one });
    }
  }
  for (const pair of namedPairs) {
    measured.push({
      title: [pairName(pair), formatShape(pair[0]), 'forward'],
      ...(await pairSpeed(...pair)),
    });
  }
}
