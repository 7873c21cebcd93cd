import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inferenceGraph, trainingGraph } from '../../src/compile.js';
import { Builder } from '../../src/graph/builder.js';
import { policies } from '../../src/graph/differentiate.js';
import { placementOf } from '../../src/graph/plan.js';
import { verifyGraph } from '../../src/graph/verifyGraph.js';
import type { Placement } from '../../src/graph/verifyPlacement.js';
import { verifyPlacement } from '../../src/graph/verifyPlacement.js';
import type { Graph, Node } from '../../src/ir/graph.js';
import { networkFromConfig, networkNames } from '../../src/nets/index.js';
import { vnet } from '../../src/nets/vnet.js';

const size = { batch: 2, height: 64, width: 96, scratchBytes: () => 64 } as const;
const net = vnet({ classes: 5 });

// Whole networks are verified as they are; then graphs and plans are broken on purpose, one rule at a time.

const verified = (graph: Graph): void => verifyPlacement(placementOf(graph, () => 640));
const watch = (pass: string, graph: Graph): void => verifyGraph(graph, pass);

test('VNet is right after every pass and after planning, under every policy and precision', () => {
  for (const policy of policies) verified(trainingGraph(net, { ...size, policy }, watch));
  for (const precision of ['f32', 'f16', 'i16'] as const)
    verified(inferenceGraph(net, { ...size, precision }, watch));
});

test('every other network too', () => {
  for (const name of networkNames.filter((name) => name !== net.name)) {
    const network = networkFromConfig(name, { classes: 5 });
    verified(trainingGraph(network, { ...size, precision: 'f16' }, watch));
    verified(inferenceGraph(network, size, watch));
  }
});

const graph = trainingGraph(net, size);
const forward = (() => {
  const b = new Builder('train');
  const images = b.input('images', [1, 64, 64, 3], 'u8');
  return b.finish({ logits: net.build(b, images) });
})();
const indexOf = (op: string, from: Graph = graph): number => from.nodes.findIndex((node) => node.op === op);
const withNode = (at: number, change: (node: Node) => Node, from: Graph = graph): Graph => ({
  ...from,
  nodes: from.nodes.map((node, i) => (i === at ? change(node) : node)),
});

const brokenGraphs: [what: string, broken: () => Graph, message: RegExp][] = [
  [
    'a value written twice',
    () => ({ ...graph, nodes: [...graph.nodes, graph.nodes[indexOf('batchStats')]] }),
    /after test: \S+ \(batchStats\): writes \S+\.stats a second time/,
  ],
  [
    'a value read before it is written',
    () => ({ ...graph, nodes: graph.nodes.slice(1) }),
    /after test: \S+ \(\w+\): reads stem\.conv1\S* before it is written/,
  ],
  [
    'a shape that the inputs do not make',
    () =>
      withNode(indexOf('conv2d'), (node) => ({
        ...node,
        outputs: { y: { ...node.outputs.y, shape: [1, 1, 1, 8] } },
      })),
    /stem\.conv1\.conv2d \(conv2d\): writes stem\.conv1\.conv2d\.y as 1×1×1×8 f32, but its inputs make 2×32×48×8 f32/,
  ],
  [
    'float16 where the op has none',
    () =>
      withNode(indexOf('batchStats'), (node) => ({
        ...node,
        outputs: { stats: { ...node.outputs.stats, dtype: 'f16' } },
      })),
    /\(batchStats\): writes \S+ as \S+ f16/,
  ],
  [
    'an output that the op does not have',
    () => withNode(0, (node) => ({ ...node, outputs: { ...node.outputs, other: node.outputs.y } })),
    /has an output other/,
  ],
  [
    'a phase that runs too early',
    () =>
      withNode(
        graph.nodes.findLastIndex(({ op }) => op === 'conv2dGradWeight'),
        (node) => ({ ...node, phase: 'forward' }),
      ),
    /\(conv2dGradWeight\): of phase forward reads \S+ of phase backward/,
  ],
  [
    'a state read after it was replaced',
    () => {
      const stats = graph.nodes[indexOf('runningStats')];
      const again = { ...graph.nodes[indexOf('runningStats')], id: -1, label: 'again' };
      const fresh = Object.fromEntries(
        Object.entries(again.outputs).map(([name, value]) => [name, { ...value, id: -2 - value.id }]),
      );
      return {
        ...graph,
        nodes: [...graph.nodes, { ...again, outputs: fresh, inputs: stats.inputs, phase: 'update' }],
      };
    },
    /again \(runningStats\): reads \S+ after \S+ \(runningStats\) replaced it/,
  ],
  [
    'a gradient of another shape',
    () => {
      const [first, second] = graph.params;
      const gradients = new Map(graph.gradients).set(first.id, graph.gradients.get(second.id)!);
      return { ...graph, gradients };
    },
    /after test: stem\.conv1\.weight: is 3×3×3×8 f32, its gradient 1×1×1×8 f32/,
  ],
  [
    'an output that nothing writes',
    () => ({ ...graph, nodes: [] as Node[] }),
    /an output that nothing writes/,
  ],
  [
    'a node in two regions',
    () => ({ ...forward, regions: [...forward.regions, forward.regions[0]] }),
    /after test: stem\.conv1\.conv2d: belongs to two regions/,
  ],
  [
    'a look into a reversible region',
    () => {
      const region = forward.regions.find(({ kind }) => kind === 'reversible')!;
      const inside = region.nodes[0].outputs.y;
      const add = forward.nodes[indexOf('add', forward)];
      const spy = {
        ...add,
        label: 'spy',
        inputs: { a: inside, b: inside },
        outputs: { y: { ...inside, id: -1 } },
      };
      return { ...forward, nodes: [...forward.nodes, spy] };
    },
    /after test: spy: reads \S+ from inside of a reversible region/,
  ],
];

for (const [what, broken, message] of brokenGraphs) {
  test(`the verifier of graphs names ${what}`, () => {
    assert.throws(() => verifyGraph(broken(), 'test'), { message });
  });
}

const placement = placementOf(graph, () => 64);
const nodeOf = (op: string): Node => placement.nodes.find((node) => node.op === op)!;
const moved = (id: number, change: (offset: number) => number): Placement => {
  const place = placement.places.get(id)!;
  const places = new Map(placement.places).set(id, { ...place, offset: change(place.offset) });
  return { ...placement, places };
};

test('the verifier of plans names a tensor that is written over one still to be read', () => {
  const conv = nodeOf('conv2d');
  const stats = nodeOf('batchStats');
  const target = placement.places.get(conv.outputs.y.id)!;
  const broken = moved(stats.outputs.stats.id, () => target.offset);
  assert.throws(() => verifyPlacement(broken), {
    message:
      /\(batchStats\) writes \S+\.stats over stem\.conv1\.conv2d\.y, which (it reads as x|step \d+ reads)/,
  });
});

test('the verifier of plans names a parameter that would be overwritten', () => {
  const [param] = graph.params;
  const broken = moved(nodeOf('conv2d').outputs.y.id, () => placement.places.get(param.id)!.offset);
  assert.throws(() => verifyPlacement(broken), {
    message: /stem\.conv1\.conv2d \(conv2d\) writes stem\.conv1\.conv2d\.y over stem\.conv1\.weight/,
  });
});

test('the verifier of plans names a tensor outside of the arena', () => {
  const broken = moved(nodeOf('conv2d').outputs.y.id, () => placement.arenaBytes - 64);
  assert.throws(() => verifyPlacement(broken), {
    message: /stem\.conv1\.conv2d\.y at bytes \d+ to \d+ lies outside/,
  });
});

test('the verifier of plans names a view that is not where its parts are', () => {
  const split = nodeOf('split');
  const broken = moved(split.outputs.y1.id, (offset) => offset + 4);
  assert.throws(() => verifyPlacement(broken), { message: /\(split\): \S+\.y1 does not lie where/ });
});

test('the verifier of plans names scratch that lies over a tensor', () => {
  const conv = nodeOf('conv2d');
  const offset = placement.places.get(conv.outputs.y.id)!.offset;
  const broken = { ...placement, scratch: new Map([[conv.id, { offset, bytes: 64 }]]) };
  assert.throws(() => verifyPlacement(broken), {
    message: /\(conv2d\): its scratch lies over stem\.conv1\.conv2d\.y/,
  });
});
