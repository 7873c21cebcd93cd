import type { Graph, Node, Operands } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { opOf } from '../ops/index.js';
import { rescaled } from '../ops/rescale.js';
import { emitter } from './node.js';

/**
 * Stores feature maps as float16: every activation that is a feature map wherever it is written and read, in whole
 * groups of four channels. Parameters, their gradients, statistics, coefficients, logits and what the caller reads stay
 * float32, and so does the arithmetic of every kernel. Comes after `fuse`.
 */
export function storeHalf(graph: Graph): Graph {
  const kept = new Set(
    [...Object.values(graph.outputs), ...graph.gradients.values()].map((value) => value.id),
  );
  for (const node of graph.nodes) {
    const { features = [] } = opOf(node);
    for (const [name, value] of operandsOf(node)) {
      const isFeature = features === 'all' || (features as readonly string[]).includes(name);
      if (!isFeature || !isFeatureMap(value)) kept.add(value.id);
    }
  }
  keepViews(graph, kept);
  const halves = new Map<number, Value>();
  const stored = (value: Value): Value => {
    if (kept.has(value.id)) return value;
    const half = halves.get(value.id) ?? { ...value, dtype: 'f16' };
    halves.set(value.id, half);
    return half;
  };
  return { ...graph, nodes: graph.nodes.map((node) => mapOperands(node, stored)) };
}

/** Views share memory, so all of them have one type: what is kept keeps its relatives. */
function keepViews(graph: Graph, kept: Set<number>): void {
  const relatives = new Map<number, Value[][]>();
  for (const node of graph.nodes) {
    if (!opOf(node).view) continue;
    const family = [...valuesOf(node.inputs), ...valuesOf(node.outputs)];
    for (const { id } of family) relatives.set(id, [...(relatives.get(id) ?? []), family]);
  }
  const waiting = [...relatives.keys()].filter((id) => kept.has(id));
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    for (const value of (relatives.get(id) ?? []).flat()) {
      if (kept.has(value.id)) continue;
      kept.add(value.id);
      waiting.push(value.id);
    }
  }
}

/** More than a vector, in whole groups of four channels. */
const isFeatureMap = ({ role, dtype, shape: [, h, w, c] }: Value): boolean =>
  role === 'activation' && dtype === 'f32' && h * w > 1 && c % 4 === 0;

const operandsOf = (node: Node): [string, Value][] =>
  [...Object.entries(node.inputs), ...Object.entries(node.outputs)].filter(
    (entry): entry is [string, Value] => entry[1] !== undefined,
  );

function mapOperands(node: Node, change: (value: Value) => Value): Node {
  const mapped = (operands: Operands) =>
    Object.fromEntries(Object.entries(operands).map(([name, value]) => [name, value && change(value)]));
  return { ...node, inputs: mapped(node.inputs), outputs: mapped(node.outputs) as Node['outputs'] };
}

/**
 * Multiplies what every loss sends back by a new input `factor` (`1×1×1×1`, `initial` unless the caller writes another);
 * dividing the gradients is left to the optimiser.
 */
export function scaleLosses(graph: Graph, factor: Value, initial: number): Graph {
  const scaled = new Map<number, Value>();
  const nodes: Node[] = [];
  for (const node of graph.nodes) {
    const inputs = Object.entries(node.inputs).map(([name, value]) => [
      name,
      value && (scaled.get(value.id) ?? value),
    ]);
    nodes.push({ ...node, inputs: Object.fromEntries(inputs) });
    const { loss } = opOf(node);
    if (!loss) continue;
    const emit = emitter(`${node.label}.scale`, 'backward', (made) => nodes.push(made));
    scaled.set(node.outputs[loss].id, rescaled(emit, node.outputs[loss], factor));
  }
  return {
    ...graph,
    nodes,
    inputs: [...graph.inputs, factor],
    initial: new Map(graph.initial).set(factor.id, { kind: 'constant', value: initial }),
  };
}
