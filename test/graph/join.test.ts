import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { compileInference, inferenceGraph, trainingGraph } from '../../src/compile.js';
import { placementOf } from '../../src/graph/plan.js';
import type { Call, TensorRef } from '../../src/graph/planned.js';
import { verifyPlacement } from '../../src/graph/verifyPlacement.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';
import { vnet } from '../../src/nets/vnet.js';

const { scratchBytes } = wasmBackend;
const alone = (call: Parameters<typeof scratchBytes>[0]) => scratchBytes(call);

test('a pair has no tensor between, kept weights last, and the image makes room', () => {
  const net = vnet({ classes: 19 });
  const size = { batch: 1, height: 1024, width: 2048 };
  const plain = compileInference(net, { ...size, scratchBytes: alone });
  const plan = compileInference(net, { ...size, scratchBytes, consumesImages: true });
  const firsts = plan.calls.filter(({ joined }) => joined === 'next');
  // F and G of three V modules, and two pyramid poolings beside a convolution.
  assert.equal(firsts.length, 8);
  assert.equal(plan.calls.filter(({ joined }) => joined === 'previous').length, 8);
  assert.ok(plan.calls.filter(({ kept }) => kept).length >= 12);
  assert.ok(plan.arenaBytes < 54 * 2 ** 20 && plan.arenaBytes < plain.arenaBytes - 4 * 2 ** 20);
  // At the first call of the first F: the feature map, and less than half of the one between.
  const at = plan.calls.findIndex(({ label }) => label.startsWith('stage2.v1.F.'));
  assert.ok(plan.timeline[at].bytes < plain.timeline[at].bytes - 16 * 2 ** 20);
});

for (const name of ['vnet', 'erfnet', 'enet']) {
  test(`${name}: places of joined, kept and consumed tensors hold`, () => {
    const net = networkFromConfig(name, { classes: 5 });
    const size = { batch: 2, height: 96, width: 128, scratchBytes };
    verifyPlacement(placementOf(inferenceGraph(net, size), scratchBytes, ['images']));
    verifyPlacement(placementOf(trainingGraph(net, size), scratchBytes));
  });
}

for (const name of networkNames) {
  test(`${name}: places hold whatever is joined`, () => {
    const net = networkFromConfig(name, { classes: 5 });
    const size = { batch: 1, height: 64, width: 96 };
    const pairs = { chained: 0, beside: 0 };
    const eager = Object.assign(() => 64, {
      joins(first: Call, second: Call): boolean {
        const [result] = Object.values<TensorRef | undefined>(first.outputs);
        const read = Object.values<TensorRef | undefined>(second.inputs).map((ref) => ref?.name);
        pairs[read.includes(result!.name) ? 'chained' : 'beside']++;
        return true;
      },
    });
    verifyPlacement(placementOf(inferenceGraph(net, { ...size, scratchBytes: eager }), eager, ['images']));
    assert.ok(pairs.chained > 0, JSON.stringify(pairs));
    verifyPlacement(placementOf(trainingGraph(net, { ...size, scratchBytes: eager }), eager));
    assert.ok(pairs.beside > 0, JSON.stringify(pairs));
  });
}

test('a tensor that the second call of a pair writes over an input of the first is found', () => {
  const graph = inferenceGraph(vnet({ classes: 5 }), { batch: 1, height: 256, width: 512, scratchBytes });
  const placement = placementOf(graph, scratchBytes);
  const [first, second] = [...placement.joined].find(
    ([first, second]) => second.inputs.x === first.outputs.y,
  )!;
  const places = new Map(placement.places);
  const { offset } = places.get(first.inputs.x!.id)!;
  places.set(second.outputs.y.id, { ...places.get(second.outputs.y.id)!, offset });
  assert.throws(() => verifyPlacement({ ...placement, places }), /which it reads as x|which step \d+ reads/);
});
