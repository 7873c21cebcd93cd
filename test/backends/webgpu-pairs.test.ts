/** Calls that run as one dispatch, against the float64 reference, which runs them apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { pairSignatureOf } from '../../src/backends/webgpu/choices.js';
import type { WebGpuBackend } from '../../src/backends/webgpu/index.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { everyWay } from '../../src/backends/webgpu/kernels/index.js';
import { leastCapabilities } from '../../src/backends/webgpu/kernels/kernel.js';
import { compileInference } from '../../src/compile.js';
import type { Rng } from '../../src/data/rng.js';
import { plan } from '../../src/graph/plan.js';
import type { Call, ScratchRule } from '../../src/graph/planned.js';
import type { Graph } from '../../src/ir/graph.js';
import { vnet } from '../../src/nets/vnet.js';
import { adapters, backendOn, halfAdapter } from './gpu.js';
import { assertClose, seededRandom, testSeed } from './harness.js';
import { chooseJoined } from './joining.js';
import { agreement, inference } from './network.js';
import type { PairCase } from './pairCases.js';
import { pairCases } from './pairCases.js';

const seed = testSeed(171);

async function run(backend: Backend, { graph, data }: PairCase, joined?: string) {
  const compiled = plan(graph, backend.scratchBytes);
  if (joined !== undefined) assert.deepEqual(joinedNames(compiled.calls), [joined]);
  const executor = await backend.prepare(compiled);
  for (const [name, values] of data) executor.write(name, values);
  await executor.run('prepare', 'forward');
  const names = Object.keys(graph.outputs);
  const results = await Promise.all(names.map(async (name) => [name, await executor.read(name)] as const));
  await executor.dispose();
  return new Map(results);
}

const joinedNames = (calls: readonly Call[]) =>
  calls.filter(({ joined }) => joined === 'previous').map(({ algorithm }) => algorithm);

/** The two calls that may be one, as the planner shows them to the backend. */
function pairOf(graph: Graph): [Call, Call] {
  const calls: Call[] = [];
  plan(graph, (call) => {
    calls.push(call);
    return 0;
  });
  const at = calls.findIndex(
    (call, i) => i > 0 && everyWay.ofPair(calls[i - 1], call, leastCapabilities).length > 0,
  );
  assert.ok(at > 0, 'no pair');
  return [calls[at - 1], calls[at]];
}

/** One of the ways each round: compiling shaders is most of the time. */
async function pairParity(backend: WebGpuBackend, draw: (rng: Rng) => PairCase, round: number) {
  const pair = draw(seededRandom(seed + round));
  const expected = await run(referenceBackend, pair);
  const [first, second] = pairOf(pair.graph);
  const { able, choices } = backend.lowering;
  const candidates = everyWay.ofPair(first, second, able);
  const { name } = candidates[round % candidates.length];
  choices.set(pairSignatureOf(first, second), name);
  const label = `seed ${seed}, round ${round}, ${name}: ${pair.label}`;
  const actual = await run(backend, pair, name);
  for (const [output, values] of actual) {
    const wanted = expected.get(output)!;
    if (values instanceof Uint8Array) assert.deepEqual(values, Uint8Array.from(wanted), label);
    else assertClose(values, wanted, { relative: 2e-5, label: `${label}, ${output}` });
  }
}

const narrow = vnet({ classes: 5, widths: [16, 24], alpha: 1, beta: 0 });
const shape = [2, 43, 72] as const;

/** Joins all that can be in inference of the narrow network. */
function joinAll({ lowering }: WebGpuBackend, output: 'logits' | 'labels', precision: 'f32' | 'f16'): void {
  const [batch, height, width] = shape;
  const compile = (scratchBytes: ScratchRule) =>
    compileInference(narrow, { batch, height, width, output, precision, scratchBytes });
  chooseJoined(lowering, compile);
  const joined = compile(lowering.rule).calls.filter((call) => call.joined === 'previous');
  assert.equal(joined.length, output === 'labels' ? 6 : 5);
}

for (const { name } of adapters.map(describeAdapter)) {
  test(`pairs on ${name}`, async (t) => {
    const backend = await backendOn(name);
    for (const [kind, { draw, rounds }] of Object.entries(pairCases)) {
      await t.test(kind, async () => {
        for (let round = 0; round < rounds; round++) await pairParity(backend, draw, round);
      });
    }

    await t.test('a network of them: labels equal but for ties of rounding', async () => {
      joinAll(backend, 'labels', 'f32');
      const expected = await inference(referenceBackend, narrow, shape, 'labels', seed);
      const share = agreement(await inference(backend, narrow, shape, 'labels', seed), expected);
      assert.ok(share >= 0.999, `seed ${seed}: ${share} of the labels agree`);
    });
    backend.dispose();
  });
}

const skip = halfAdapter ? false : 'no WebGPU adapter with shader-f16';

test(`pairs in float16 on ${halfAdapter?.name}`, { skip }, async () => {
  const backend = await backendOn(halfAdapter!.name);
  joinAll(backend, 'logits', 'f16');
  const half = { precision: 'f16' } as const;
  const expected = await inference(referenceBackend, narrow, shape, 'logits', seed, half);
  // The reference rounds what lies between, the GPU does not.
  const actual = await inference(backend, narrow, shape, 'logits', seed, half);
  assertClose(actual, expected, { relative: 8 * 2 ** -10, label: `seed ${seed}` });
  backend.dispose();
});
