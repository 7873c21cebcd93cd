import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { workgroupBytesOf } from '../../src/backends/webgpu/cost.js';
import { leastRule } from '../../src/backends/webgpu/leastRule.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import { policies } from '../../src/graph/differentiate.js';
import type { TensorRef } from '../../src/graph/planned.js';
import { vnet as network } from '../../src/nets/vnet.js';
import { temporaryFolder, vnet, vnetHere } from './vnet.js';

const { scratchBytes } = wasmBackend;
const folder = temporaryFolder();

test('plan --json gives the numbers of the plan, for every policy', async () => {
  const { code, stdout } = await vnetHere(
    'plan --size 64x96 --batch 3 --classes 7 --policy checkpoint --json'.split(' '),
  );
  assert.equal(code, 0);
  const result = JSON.parse(stdout);
  const options = { batch: 3, height: 64, width: 96, scratchBytes };
  for (const policy of policies) {
    const plan = compileTraining(network({ classes: 7 }), { ...options, policy });
    assert.equal(result.policies[policy].arenaBytes, plan.arenaBytes);
    if (policy !== 'checkpoint') continue;
    assert.equal(result.arenaBytes, plan.arenaBytes);
    assert.equal(result.persistentBytes, plan.persistentBytes);
    assert.equal(result.parameters, plan.parameters);
    assert.equal(result.calls, plan.calls.length);
    assert.deepEqual(result.peak, plan.peak);
    assert.deepEqual(result.timeline, plan.timeline);
  }
});

test('plan --optimizer and --ema plan what training will: the moments of one optimiser, averages where asked for', async () => {
  const options = { batch: 4, height: 64, width: 96, scratchBytes };
  for (const optimizer of ['adam', 'adamw', 'sgd'] as const) {
    const args = `plan --size 64x96 --optimizer ${optimizer} --json`.split(' ');
    const plan = compileTraining(network({ classes: 19 }), { ...options, optimizer });
    assert.equal(JSON.parse((await vnetHere(args)).stdout).arenaBytes, plan.arenaBytes);
    const averaged = compileTraining(network({ classes: 19 }), { ...options, optimizer, average: true });
    assert.equal(JSON.parse((await vnetHere([...args, '--ema'])).stdout).arenaBytes, averaged.arenaBytes);
    assert.ok(averaged.arenaBytes > plan.arenaBytes);
  }
});

test('plan --mode infer', async () => {
  const { stdout } = await vnetHere('plan --size 64x96 --mode infer --json'.split(' '));
  const size = { batch: 1, height: 64, width: 96, consumesImages: true } as const;
  const plan = compileInference(network({ classes: 19 }), { ...size, scratchBytes });
  const result = JSON.parse(stdout);
  assert.equal(result.arenaBytes, plan.arenaBytes);
  assert.deepEqual(result.policies, {});
});

test('plan --precision f16 is what a GPU will allocate', async () => {
  const flags = 'plan --size 64x96 --classes 7 --device webgpu --precision f16 --json'.split(' ');
  const result = JSON.parse((await vnetHere(flags)).stdout);
  const options = { batch: 4, height: 64, width: 96, scratchBytes: leastRule() } as const;
  const plan = compileTraining(network({ classes: 7 }), { ...options, precision: 'f16' });
  const whole = compileTraining(network({ classes: 7 }), options);
  assert.equal(result.precision, 'f16');
  assert.equal(result.arenaBytes, plan.arenaBytes);
  assert.ok(plan.arenaBytes < whole.arenaBytes);
});

test('plan prints parameters, the paper step within its promises, and deep networks at constant memory', async () => {
  const [normal, deep] = await Promise.all([
    vnet(['plan']),
    vnet('plan --alpha 4 --beta 12 --json'.split(' ')),
  ]);
  assert.match(normal.stdout, /163 K parameters \(163 091\)/);
  assert.match(normal.stdout, /4 × 1024×2048/);
  for (const stage of ['stem', 'stage2', 'stage3', 'head', 'loss', 'optimiser', 'total']) {
    assert.match(normal.stdout, new RegExp(`^${stage} `, 'm'));
  }
  const arena = (policy: string) => {
    const [, value, unit] = new RegExp(`^${policy}[ ←]+([\\d.]+) (MiB|GiB)`, 'm').exec(normal.stdout)!;
    return Number(value) * (unit === 'GiB' ? 1024 : 1);
  };
  assert.ok(arena('reversible') <= 600);
  assert.ok(arena('save') >= 2 * arena('reversible'));
  const { arenaBytes } = JSON.parse(deep.stdout);
  assert.ok(arenaBytes / 2 ** 20 < 1.05 * arena('reversible'), 'depth costs less than 5 %');
});

test('--time: steps measured here, and the recipe at that pace', async () => {
  const args = ['--size', '64x96', '--batch', '2', '--epochs', '10', '--images', '101', '--device', 'wasm'];
  const { code, stdout, stderr } = await vnet(['plan', '--time', ...args, '--json']);
  assert.equal(code, 0, stderr);
  const { time } = JSON.parse(stdout);
  const { median, least, most } = time.stepSeconds;
  assert.ok(0 < least && least <= median && median <= most, `${least} ${median} ${most}`);
  assert.equal(time.recipe.steps, 500);
  assert.equal(time.recipe.seconds.median, 500 * median);
});

test('plan --graph writes a page, --calls where every call writes', async () => {
  const file = path.join(folder, 'graph.html');
  const { code, stdout } = await vnetHere([
    'plan',
    '--size',
    '64x96',
    '--mode',
    'infer',
    '--calls',
    '--graph',
    file,
  ]);
  assert.equal(code, 0);
  assert.match(readFileSync(file, 'utf8'), /<h2>Memory over time<\/h2>.*fuse: \d+ nodes/s);
  const size = { batch: 1, height: 64, width: 96, consumesImages: true } as const;
  const plan = compileInference(network({ classes: 19 }), { ...size, scratchBytes });
  for (const { label, outputs, joined } of plan.calls) {
    // What two calls that run as one hand over is never written.
    if (joined === 'next') continue;
    const [{ shape, offset }] = Object.values<TensorRef>(outputs as never);
    const at = String(offset).replace(/\B(?=(\d{3})+$)/g, ' ');
    assert.match(stdout, new RegExp(`${label} +${shape.join('×')}.* ${at}`), label);
  }
  const refused = await vnetHere(['plan', '--size', '64x96', '--graph', folder]);
  assert.equal(refused.code, 1);
  assert.equal(refused.stderr.trim().split('\n').length, 1);
});

test('plan --device webgpu --calls counts dispatches and bytes; --fewest and --roof', async () => {
  interface Gpu {
    total: { dispatches: number; read: number; written: number; flops: number; roofMs?: number };
    calls: {
      phase: string;
      label: string;
      joined?: string;
      dispatches: number;
      read: number;
      written: number;
    }[];
  }
  const run = async (...flags: string[]) => {
    const args = [
      '--size',
      '1024x2048',
      '--mode',
      'infer',
      '--device',
      'webgpu',
      '--calls',
      '--json',
      ...flags,
    ];
    const { code, stdout, stderr } = await vnet(['plan', ...args]);
    assert.equal(code, 0, stderr);
    return (JSON.parse(stdout) as { gpu: Gpu }).gpu;
  };
  const [plain, fewest, half] = await Promise.all([
    run(),
    run('--fewest', '--roof', 'h100'),
    run('--fewest', '--precision', 'f16'),
  ]);
  for (const { calls, total } of [plain, fewest, half]) {
    const counted = calls.filter(({ phase }) => phase !== 'prepare');
    for (const key of ['dispatches', 'read', 'written'] as const) {
      assert.equal(
        total[key],
        counted.reduce((sum, call) => sum + call[key], 0),
        key,
      );
    }
  }
  // The stem's second convolution: its input and weights (9 taps of 8×8, bias or slope) in, as many pixels out.
  const { read, written } = plain.calls.find(
    ({ phase, label }) => phase === 'forward' && label === 'stem.conv2.conv2d',
  )!;
  const map = 512 * 1024 * 8 * 4;
  assert.equal(written, map);
  assert.equal(read, map + 9 * 8 * 8 * 4 + 2 * 8 * 4);
  const bytes = ({ total }: Gpu) => total.read + total.written;
  assert.ok(fewest.total.dispatches <= 12 && bytes(fewest) <= 420e6, `${bytes(fewest)} bytes`);
  assert.ok(half.total.dispatches <= 12 && bytes(half) <= 210e6, `${bytes(half)} bytes of float16`);
  assert.ok(bytes(plain) > 1.3 * bytes(fewest));
  // No faster than memory at 3350 GB/s.
  assert.ok(fewest.total.roofMs! >= bytes(fewest) / 3350 / 1e6);
  const refused = await vnetHere(['plan', '--size', '64x96', '--roof', 'h100']);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /^vnet: --roof: has a meaning only with --device webgpu --calls\n$/);
});

test('workgroup memory of a shader', () => {
  assert.equal(workgroupBytesOf(''), 0);
  assert.equal(
    workgroupBytesOf(
      'var<workgroup> a: array<vec4f, 10>;\nvar<workgroup> n: atomic<u32>; var x: array<f32, 9>;',
    ),
    164,
  );
  assert.equal(workgroupBytesOf('var<workgroup> a: array<array<vec4h, 3>, 4>;'), 96);
});
