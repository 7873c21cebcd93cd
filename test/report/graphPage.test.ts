import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wasmBackend } from '../../src/backends/wasm/index.js';
import { inferenceGraph, trainingGraph } from '../../src/compile.js';
import { plan as planOf } from '../../src/graph/plan.js';
import { erfnet } from '../../src/nets/erfnet.js';
import { vnet } from '../../src/nets/vnet.js';
import { staysOf } from '../../src/report/graph/memory.js';
import { graphPage } from '../../src/report/graph/page.js';
import type { AfterPass } from '../../src/report/graph/passes.js';
import { lanesOf } from '../../src/report/graph/passes.js';

const { scratchBytes } = wasmBackend;
const size = { batch: 2, height: 64, width: 96, scratchBytes };

function compiled(training: boolean, network = vnet({ classes: 7 })) {
  const passes: AfterPass[] = [];
  const watch = (pass: string, graph: AfterPass['graph']) => passes.push({ pass, graph });
  const graph = training ? trainingGraph(network, size, watch) : inferenceGraph(network, size, watch);
  return { passes, plan: planOf(graph, scratchBytes) };
}

for (const [name, network] of [
  ['VNet', vnet({ classes: 7 })],
  ['ERFNet', erfnet({ classes: 7 })],
] as const) {
  test(`the memory map of ${name}: inside the arena, in use at every call what the timeline says, at most`, () => {
    const { plan } = compiled(true, network);
    const stays = staysOf(plan);
    assert.ok(stays.length > 50);
    for (const { what, start, end } of stays) {
      assert.ok(start >= plan.persistentBytes && end <= plan.arenaBytes + 64, what);
    }
    plan.calls.forEach((_, at) => {
      const alive = stays.filter(({ first, last }) => first <= at && at <= last);
      // Tensors that are written in place of one another share their bytes: their union counts.
      const edges = [...new Set(alive.flatMap(({ start, end }) => [start, end]))].sort((a, b) => a - b);
      const used = edges.slice(1).reduce((sum, edge, i) => {
        const covered = alive.some(({ start, end }) => start <= edges[i] && end >= edge);
        return covered ? sum + edge - edges[i] : sum;
      }, plan.persistentBytes);
      assert.ok(used <= plan.timeline[at].bytes, `call ${at}: ${used} of ${plan.timeline[at].bytes}`);
      assert.ok(
        used >= 0.5 * plan.timeline[at].bytes,
        `call ${at}: only ${used} of ${plan.timeline[at].bytes}`,
      );
    });
  });
}

test('one self-contained page: every pass, every node, every call', () => {
  for (const training of [true, false]) {
    const { passes, plan } = compiled(training);
    const html = graphPage('A <net>', 'one & two', passes, plan);
    assert.ok(html.includes('A &lt;net&gt;') && html.includes('one &amp; two'));
    assert.doesNotMatch(html, /(src|href)="(?!data:)|@import|url\(/);
    for (const { pass, graph } of passes)
      assert.ok(html.includes(`${pass}: ${graph.nodes.length} nodes`), pass);
    const rows = html.match(/<tr/g)!.length;
    const nodes = passes.reduce((sum, { graph }) => sum + graph.nodes.length + 1, 0);
    assert.equal(rows, nodes + plan.calls.length + 1);
  }
});

test('lines beside the graph: none crosses the picture, each row has its own', () => {
  const { passes } = compiled(true);
  for (const { graph } of passes) {
    const lanes = lanesOf(graph);
    assert.equal(lanes.length, graph.nodes.length);
    for (const { dot, width } of lanes) assert.ok(dot > 0 && dot < width);
  }
});
