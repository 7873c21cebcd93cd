import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendOptions } from '../../src/backends/backend.js';
import { createWasmBackend, wasmBackend } from '../../src/backends/wasm/index.js';
import { nodeHost } from '../../src/backends/wasm/runtime/node.js';
import type { Rng } from '../../src/data/rng.js';
import type { Shape } from '../../src/ir/value.js';
import type { KernelName } from '../../src/ops/index.js';
import { ops } from '../../src/ops/index.js';
import type { OpDef } from '../../src/ops/op.js';
import { randomCase } from './cases.js';
import type { Layout, Tensor, View } from './harness.js';
import { assertParity, runOp, seededRandom, testSeed, waysInPlace } from './harness.js';
import type { Case } from './shapes.js';
import { wideCases } from './wideCases.js';

const seed = testSeed(21);
const builds = nodeHost.hasRelaxedSimd() ? (['plain', 'relaxed'] as const) : (['plain'] as const);
const kernels = (Object.keys(randomCase) as KernelName[]).filter((op) => !op.startsWith('conv2d'));

/** Largest error, as a fraction of the largest value. Labels are compared by what they cost, below. */
const relative = 2e-6;

/** A place in wider pixels for every tensor that has pixels, half of the time. */
function randomViews(
  rng: Rng,
  tensors: Record<string, { readonly shape: Shape } | undefined>,
): Record<string, View> {
  const views: Record<string, View> = {};
  for (const [name, tensor] of Object.entries(tensors)) {
    if (!tensor || tensor.shape[1] * tensor.shape[2] === 1 || rng.chance(0.5)) continue;
    const channelOffset = rng.int(5);
    views[name] = { pixelStride: channelOffset + tensor.shape[3] + rng.int(5), channelOffset };
  }
  return views;
}

/** Views and, half of the time, an output over an input, as the planner may choose. */
function randomLayout<K extends KernelName>(rng: Rng, op: K, { inputs, attrs }: Case<K>): Layout {
  const def = ops[op] as unknown as OpDef<object, object, object>;
  const given = Object.fromEntries(Object.entries(inputs).filter(([, tensor]) => tensor)) as Record<
    string,
    Tensor
  >;
  const outputs = def.infer(given, attrs) as Record<string, { shape: Shape }>;
  // Threads take longer to start than to compute: a few cases have them.
  const options = { threads: rng.chance(0.75) ? 1 : 2 + rng.int(2) };
  const choices = waysInPlace(op, given);
  if (choices.length === 0 || rng.chance(0.5))
    return { views: randomViews(rng, { ...given, ...outputs }), options };
  const inPlace = rng.pick(choices);
  const separate = Object.fromEntries(Object.entries(outputs).filter(([name]) => !(name in inPlace)));
  return { views: randomViews(rng, { ...given, ...separate }), inPlace, options };
}

for (const build of builds) {
  const backend = createWasmBackend(build);
  for (const op of kernels) {
    test(`${op} matches the reference, ${build} build`, async () => {
      const rng = seededRandom(seed);
      const small = Array.from({ length: 12 }, () => randomCase[op](rng));
      for (const [i, each] of [...small, ...wideCases(op, rng)].entries()) {
        const layout = randomLayout(rng, op, each as Case<typeof op>);
        await check(backend, op, each, { layout, label: `seed ${seed}, case ${i}` });
      }
    });
  }
}

async function check(
  backend: ReturnType<typeof createWasmBackend>,
  op: KernelName,
  { inputs, attrs }: Case<KernelName>,
  rest: { layout: Layout; label: string },
): Promise<void> {
  await assertParity(backend, op, inputs as never, attrs as never, { relative, ...rest });
}

test('results are bit for bit the same on 1, 2 and 3 threads', async () => {
  const rng = seededRandom(seed);
  const backend = createWasmBackend();
  // Threads take longer to start than to compute: every other case runs, on two or on three of them, in turn.
  let cases = 0;
  for (const [at, op] of kernels.entries()) {
    for (const { inputs, attrs } of wideCases(op, rng).filter((_, i) => (at + i) % 2 === 0)) {
      const run = (options: BackendOptions) =>
        runOp(backend, op, inputs as never, attrs as never, { options }) as Promise<Record<string, Tensor>>;
      const threads = 2 + (cases++ % 2);
      assert.deepEqual(await run({ threads }), await run({ threads: 1 }), `${op} on ${threads} threads`);
    }
  }
});

test('logits that are not numbers give a class that exists', async () => {
  const x = { shape: [1, 2, 2, 5], dtype: 'f32', data: new Float32Array(20).fill(Number.NaN) } as const;
  const { labels } = await runOp(wasmBackend, 'resizeArgmax', { x }, { height: 2, width: 2 });
  assert.ok(
    labels.data.every((label) => label < 5),
    `${labels.data}`,
  );
});
