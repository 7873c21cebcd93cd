import type { Graph, Node } from '../../ir/graph.js';
import { valuesOf } from '../../ir/graph.js';
import { opOf } from '../../ops/index.js';

/** The nodes without those whose results reach neither an output, nor a gradient, nor a state. */
export function dropUnused(graph: Graph): Node[] {
  const needed = new Set(
    [...Object.values(graph.outputs), ...graph.gradients.values()].map((value) => value.id),
  );
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    const updates = opOf(node).updatesState;
    if (!updates && !valuesOf(node.outputs).some((value) => needed.has(value.id))) continue;
    kept.push(node);
    for (const value of valuesOf(node.inputs)) needed.add(value.id);
  }
  return kept.reverse();
}
