import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { neededBy, windowStages } from '../../src/backends/wasm/needs.js';
import type { Program } from '../../src/backends/wasm/program.js';
import { compile } from '../../src/backends/wasm/program.js';
import { nodeHost } from '../../src/backends/wasm/runtime/node.js';
import { arenaBase } from '../../src/backends/wasm/stage.js';
import { compileInference, compileTraining } from '../../src/compile.js';
import type { Rng } from '../../src/data/rng.js';
import type { Plan } from '../../src/graph/planned.js';
import type { Phase } from '../../src/ir/graph.js';
import { networkFromConfig } from '../../src/nets/index.js';
import { randomBytes, seededRandom, testSeed } from './harness.js';
import { perturbedWeights } from './network.js';

const seed = testSeed(71);
const { scratchBytes } = wasmBackend;
const build = nodeHost.hasRelaxedSimd() ? 'relaxed' : 'plain';
const module = await nodeHost.loadModule(build);

/** Steps of a phase, one chunk at a time: any that needs allow, by the numbers of `rng`; without it, in the order of the plan. */
function* chunks(
  { steps }: Program,
  phase: Phase,
  rng?: Rng,
): Generator<readonly [step: number, chunk: number]> {
  const order = steps.flatMap((step, i) => (step.phase === phase ? [i] : []));
  const taken = steps.map(() => 0);
  for (let first = 0; first < order.length; ) {
    const open = order.slice(first, first + windowStages).filter((i) => {
      const { chunks, needs } = steps[i];
      return taken[i] < chunks && needs.every((need) => taken[need.step] >= neededBy(taken[i], need));
    });
    const i = rng ? open[rng.int(open.length)] : order[first];
    yield [i, taken[i]++];
    while (first < order.length && taken[order[first]] === steps[order[first]].chunks) first++;
  }
}

/** What slots hold after the phases, and how many chunks ran before one of an earlier step. */
function execute(plan: Plan, phases: readonly Phase[], rng?: Rng) {
  // For any number of threads: shares of what is not worth more pieces.
  const program = compile(plan, rng ? 1 + rng.int(4) : 1);
  const pages = Math.ceil((program.localsBase + program.localBytes) / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  new Int32Array(memory.buffer, program.argsBase, program.args.length).set(program.args);
  const view = (name: string) => {
    const { offset, shape, dtype } = plan.slots[name];
    const length = shape.reduce((a, b) => a * b);
    return dtype === 'u8'
      ? new Uint8Array(memory.buffer, arenaBase + offset, length)
      : new Float32Array(memory.buffer, arenaBase + offset, length);
  };
  for (const [name, values] of perturbedWeights(plan, seed)) view(name).set(values);
  const data = seededRandom(seed);
  view('images').set(randomBytes(data, plan.slots.images.shape).data);
  if (plan.slots.labels) view('labels').set(randomBytes(data, plan.slots.labels.shape, 7).data);
  if (plan.slots.hyper) view('hyper').set([1e-3, 0.9, 0.999, 1e-8, 1e-4, 0, 0.1, 0.001]);
  let early = 0;
  let last = 0;
  for (const phase of phases) {
    for (const [i, chunk] of chunks(program, phase, rng)) {
      const { kernel, args } = program.steps[i];
      (exports[kernel] as (args: number, chunk: number, local: number) => void)(
        args,
        chunk,
        program.localsBase,
      );
      if (i < last) early++;
      last = i;
    }
    last = 0;
  }
  const dense = Object.entries(plan.slots).filter(([, { pixelStride, shape }]) => pixelStride === shape[3]);
  return { early, slots: new Map(dense.map(([name]) => [name, view(name).slice()])) };
}

const cases: readonly (readonly [name: string, mode: 'train' | 'infer', height: number, width: number])[] = [
  ['vnet', 'infer', 256, 512],
  ['vnet', 'infer', 131, 93],
  ['erfnet', 'infer', 128, 192],
  ['enet', 'infer', 128, 96],
  ['espnet', 'infer', 128, 96],
  ['icnet', 'infer', 64, 96],
  // Blocks of pixels that go on from row to row, several in an image.
  ['icnet', 'infer', 320, 288],
  ['vnet', 'train', 131, 93],
  ['enet', 'train', 64, 96],
];

for (const [name, mode, height, width] of cases) {
  test(`${name}, ${mode} ${height}×${width}: chunks in any order that needs allow give the same bits`, () => {
    const net = networkFromConfig(name, { classes: 7 });
    const size = { batch: 2, height, width, scratchBytes };
    const plan =
      mode === 'train'
        ? compileTraining(net, { ...size, policy: 'reversible' })
        : compileInference(net, { ...size, output: 'labels' });
    const phases =
      mode === 'train' ? (['forward', 'backward', 'update'] as const) : (['prepare', 'forward'] as const);
    const expected = execute(plan, phases);
    for (let turn = 0; turn < 2; turn++) {
      const actual = execute(plan, phases, seededRandom(seed + turn));
      assert.ok(actual.early > 10, `only ${actual.early} chunks ran ahead`);
      for (const [slot, values] of expected.slots) {
        assert.deepEqual(actual.slots.get(slot), values, `${slot}, seed ${seed + turn}`);
      }
    }
  });
}
