import type { Graph, Node, Phase, Region } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { formatShape } from '../ir/value.js';
import { opOf } from '../ops/index.js';

const order: Readonly<Record<Phase, number>> = { prepare: 0, forward: 1, backward: 2, update: 3 };

/**
 * Checks what every pass may rely on: each value is written once, before it is read, in a phase not after its reader's;
 * outputs are as their op infers them; a state that was replaced is not read any more; gradients have the shape of their
 * parameters; regions are closed.
 * @param pass what made the graph, for the message.
 * @throws Error naming the pass, the node and the value.
 */
export function verifyGraph(graph: Graph, pass: string): void {
  const fail = (where: string, what: string): never => {
    throw new Error(`after ${pass}: ${where}: ${what}`);
  };
  const known = new Map<number, { readonly value: Value; readonly phase: Phase }>();
  const write = (where: string, value: Value, phase: Phase): void => {
    if (known.has(value.id)) fail(where, `writes ${value.name} a second time`);
    known.set(value.id, { value, phase });
  };
  const given = [...graph.inputs, ...graph.params, ...graph.states, ...valuesOf(graph.flat ?? {})];
  for (const value of given) write(value.name, value, value.role === 'input' ? 'forward' : 'prepare');

  const replaced = new Map<number, string>();
  for (const node of graph.nodes) {
    const where = `${node.label} (${node.op})`;
    for (const value of valuesOf(node.inputs)) {
      const source = known.get(value.id) ?? fail(where, `reads ${value.name} before it is written`);
      if (describe(source.value) !== describe(value)) {
        fail(where, `reads ${value.name} as ${describe(value)}, but it is ${describe(source.value)}`);
      }
      if (order[source.phase] > order[node.phase]) {
        fail(where, `of phase ${node.phase} reads ${value.name} of phase ${source.phase}`);
      }
      const by = replaced.get(value.id);
      if (by) fail(where, `reads ${value.name} after ${by} replaced it`);
    }
    verifyOutputs(node, (what) => fail(where, what));
    for (const value of valuesOf(node.outputs)) write(where, value, node.phase);
    const { updatesState, inPlace = {} } = opOf(node);
    for (const input of updatesState ? Object.values(inPlace).flatMap((names) => names ?? []) : []) {
      const state = node.inputs[input];
      if (state) replaced.set(state.id, where);
    }
  }
  for (const value of Object.values(graph.outputs)) {
    if (!known.has(value.id)) fail(value.name, 'an output that nothing writes');
  }
  for (const param of graph.params) {
    const gradient = graph.gradients.get(param.id);
    if (!gradient) continue;
    if (!known.has(gradient.id)) fail(param.name, 'a gradient that nothing writes');
    if (describe(gradient) !== describe(param)) {
      fail(param.name, `is ${describe(param)}, its gradient ${describe(gradient)}`);
    }
  }
  verifyRegions(graph, fail);
}

const describe = ({ shape, dtype }: Pick<Value, 'shape' | 'dtype'>): string =>
  `${formatShape(shape)} ${dtype}`;

/** Outputs have the shapes that the op infers now, and its types, or float16 where the op can have it. */
function verifyOutputs(node: Node, fail: (what: string) => never): void {
  const op = opOf(node);
  if (!op) fail('is no operation');
  const types = op.infer(node.inputs, node.attrs);
  const { features = [] } = op;
  for (const name of new Set([...Object.keys(types), ...Object.keys(node.outputs)])) {
    const [value, type] = [node.outputs[name], types[name]];
    if (!value || !type) fail(`has ${value ? 'an' : 'no'} output ${name}`);
    const half =
      value.dtype === 'f16' && (features === 'all' || (features as readonly string[]).includes(name));
    const wanted = half ? { shape: type.shape, dtype: value.dtype } : type;
    if (describe(value) !== describe(wanted)) {
      fail(`writes ${value.name} as ${describe(value)}, but its inputs make ${describe(wanted)}`);
    }
  }
}

/** Regions share no node, and of a reversible one nothing but its outputs and what is kept is read outside. */
function verifyRegions(graph: Graph, fail: (where: string, what: string) => never): void {
  const regionOf = new Map<Node, Region>();
  const nodes = new Set(graph.nodes);
  for (const region of graph.regions) {
    for (const node of region.nodes) {
      if (!nodes.has(node)) fail(node.label, 'belongs to a region, but not to the graph');
      if (regionOf.has(node)) fail(node.label, 'belongs to two regions');
      regionOf.set(node, region);
    }
  }
  const hidden = new Map<number, Region>();
  for (const region of graph.regions) {
    if (region.kind !== 'reversible') continue;
    const open = new Set([region.y1.id, region.y2.id]);
    const inner = region.nodes.filter((node) => !opOf(node).keep).flatMap(({ outputs }) => valuesOf(outputs));
    for (const { id } of inner) if (!open.has(id)) hidden.set(id, region);
  }
  for (const node of graph.nodes) {
    // The backward pass is made from regions, and may look into them.
    if (node.phase !== 'forward') continue;
    for (const value of valuesOf(node.inputs)) {
      const region = hidden.get(value.id);
      if (region && regionOf.get(node) !== region) {
        fail(node.label, `reads ${value.name} from inside of a reversible region`);
      }
    }
  }
}
