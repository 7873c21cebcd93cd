/** Calls that run as one dispatch, against the float64 reference, which runs them apart. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Backend } from '../../src/backends/backend.js';
import { referenceBackend } from '../../src/backends/reference/index.js';
import { pairSignatureOf } from '../../src/backends/webgpu/choices.js';
import type { WebGpuBackend } from '../../src/backends/webgpu/index.js';
import { describeAdapter } from '../../src/backends/webgpu/index.js';
import { leastCapabilities } from '../../src/backends/webgpu/kernels/kernel.js';
import { pairCandidatesOf } from '../../src/backends/webgpu/kernels/pairs/index.js';
import type { Rng } from '../../src/data/rng.js';
import { plan } from '../../src/graph/plan.js';
import type { Call } from '../../src/graph/planned.js';
import type { Graph } from '../../src/ir/graph.js';
import { adapters, backendOn } from './gpu.js';
import { assertClose, seededRandom, testSeed } from './harness.js';
import type { PairCase } from './pairCases.js';
import { pairCases } from './pairCases.js';

const seed = testSeed(171);
const rounds = 4;

async function run(backend: Backend, { graph, data }: PairCase, joined?: string) {
  const compiled = plan(graph, backend.scratchBytes);
  if (joined !== undefined) assert.deepEqual(joinedNames(compiled.calls), [joined]);
  const executor = await backend.prepare(compiled);
  for (const [name, values] of data) executor.write(name, values);
  await executor.run('prepare', 'forward');
  const result = await executor.read('y');
  await executor.dispose();
  return result;
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
    (call, i) => i > 0 && pairCandidatesOf(calls[i - 1], call, leastCapabilities).length > 0,
  );
  assert.ok(at > 0, 'no pair');
  return [calls[at - 1], calls[at]];
}

async function everyCandidate(backend: WebGpuBackend, draw: (rng: Rng) => PairCase, round: number) {
  const pair = draw(seededRandom(seed + round));
  const expected = await run(referenceBackend, pair);
  const [first, second] = pairOf(pair.graph);
  const { able, choices } = backend.lowering;
  const candidates = pairCandidatesOf(first, second, able);
  // One of them each round: compiling shaders is most of the time.
  for (const { name } of [candidates[round % candidates.length]]) {
    choices.set(pairSignatureOf(first, second), name);
    const label = `seed ${seed}, round ${round}, ${name}: ${pair.label}`;
    const actual = await run(backend, pair, name);
    if (actual instanceof Uint8Array) assert.deepEqual(actual, Uint8Array.from(expected), label);
    else assertClose(actual, expected, { relative: 2e-5, label });
  }
}

for (const { name } of adapters.map(describeAdapter)) {
  test(`pairs on ${name}`, async (t) => {
    const backend = await backendOn(name);
    for (const [kind, draw] of Object.entries(pairCases)) {
      await t.test(kind, async () => {
        for (let round = 0; round < rounds; round++) await everyCandidate(backend, draw, round);
      });
    }
    backend.dispose();
  });
}
