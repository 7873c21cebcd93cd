import type { Graph, Node, Region } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import type { EmitOp } from '../ops/index.js';
import { opOf } from '../ops/index.js';
import { plus } from '../ops/view.js';
import { cloneNode, emitter } from './node.js';

/**
 * What the backward pass keeps of the forward pass.
 * - `save`: every activation a gradient needs.
 * - `checkpoint`: the inputs of each region; the region is run again before its gradient.
 * - `reversible`: as `checkpoint`, but a V module keeps nothing: its input is computed back from its output.
 */
export type Policy = 'reversible' | 'checkpoint' | 'save';
export const policies: readonly Policy[] = ['reversible', 'checkpoint', 'save'];

/**
 * Appends the backward pass of the forward `graph` to it, starting from its losses (which have their gradient
 * themselves). Order is the schedule: a recomputation stands where it should run.
 */
export function differentiate(graph: Graph, policy: Policy): Graph {
  const nodes: Node[] = [...graph.nodes];
  const grads = new Map<number, Value>();
  // Where the backward pass finds a forward value again: recomputed, or computed back.
  const recovered = new Map<number, Value>();
  const current = (value: Value): Value => recovered.get(value.id) ?? value;
  const currentAll = (record: object): Record<string, Value> =>
    Object.fromEntries(
      Object.entries(record)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, current(value)]),
    );

  const needing = reachableFromParams(graph);

  const emitterFor = (label: string): EmitOp => emitter(label, 'backward', (node) => nodes.push(node));

  const accumulate = (value: Value, grad: Value, label: string): void => {
    const before = grads.get(value.id);
    grads.set(value.id, before ? plus(emitterFor(`${label}/sum`), before, grad) : grad);
  };

  const backward = (node: Node): void => {
    const definition = opOf(node);
    const outputGrads = Object.fromEntries(
      Object.entries(node.outputs).map(([name, value]) => [name, grads.get(value.id)]),
    );
    if (!definition.gradient) return;
    if (!definition.loss && Object.values(outputGrads).every((grad) => grad === undefined)) return;
    const result = definition.gradient(
      { inputs: currentAll(node.inputs), outputs: currentAll(node.outputs), attrs: node.attrs },
      outputGrads,
      {
        emit: emitterFor(`${node.label}/grad`),
        needsGradient: (value) => needing.has(value.id),
      },
    );
    for (const [name, input] of Object.entries(node.inputs)) {
      const grad = result[name];
      if (input && grad && needing.has(input.id)) accumulate(input, grad, `${node.label}/grad`);
    }
  };

  const again = (list: readonly Node[]): void => {
    for (const node of list) {
      if (opOf(node).keep) continue;
      const made = cloneNode(node, currentAll(node.inputs), `${node.label}/again`, 'backward');
      nodes.push(made.node);
      for (const [name, value] of Object.entries(node.outputs)) {
        const fresh = made.outputs[name];
        recovered.set(value.id, fresh);
        if (needing.has(value.id)) needing.add(fresh.id);
      }
    }
  };

  const backwardAll = (list: readonly Node[]): void => {
    for (const node of [...list].reverse()) backward(node);
  };

  /** As `backwardAll`; the nodes `twice` are recomputed when one of the others asks for what they give. */
  const backwardTwice = (list: readonly Node[], twice: readonly Node[]): void => {
    const given = new Set(twice.flatMap(({ outputs }) => valuesOf(outputs).map(({ id }) => id)));
    let recomputed = false;
    for (const node of [...list].reverse()) {
      if (!recomputed && !twice.includes(node) && valuesOf(node.inputs).some(({ id }) => given.has(id))) {
        again(twice);
        recomputed = true;
      }
      backward(node);
    }
  };

  const reverse = (region: Extract<Region, { kind: 'reversible' }>): void => {
    const { x1, x2, y1, y2, f, g, label } = region;
    const computeBack = (x: Value, y: Value, out: Value): void => {
      const fresh = plus(emitterFor(`${label}/inverse`), current(y), current(out), -1);
      recovered.set(x.id, fresh);
      if (needing.has(x.id)) needing.add(fresh.id);
    };
    const gradOf = (value: Value): Value => {
      const grad = grads.get(value.id);
      if (!grad) throw new Error(`${label}: ${value.name} does not reach the loss`);
      return grad;
    };
    again(g.nodes);
    computeBack(x2, y2, g.out);
    grads.set(g.out.id, gradOf(y2));
    grads.set(x2.id, gradOf(y2));
    backwardAll(g.nodes);

    again(f.nodes);
    computeBack(x1, y1, f.out);
    grads.set(f.out.id, gradOf(y1));
    grads.set(x1.id, gradOf(y1));
    backwardAll(f.nodes);
  };

  const regionOf = new Map<number, Region>();
  if (policy !== 'save') {
    for (const region of graph.regions) for (const node of region.nodes) regionOf.set(node.id, region);
  }
  const done = new Set<Region>();
  for (const node of [...graph.nodes].reverse()) {
    const region = regionOf.get(node.id);
    if (!region) backward(node);
    else if (!done.has(region)) {
      done.add(region);
      if (region.kind === 'reversible' && policy === 'reversible') reverse(region);
      else {
        again(region.nodes);
        backwardTwice(region.nodes, (region.kind === 'checkpoint' && region.twice) || []);
      }
    }
  }

  const gradients = new Map<number, Value>();
  for (const param of graph.params) {
    const grad = grads.get(param.id);
    if (!grad) throw new Error(`${param.name} does not reach the loss`);
    gradients.set(param.id, grad);
  }
  return { ...graph, nodes, gradients };
}

/** Ids of the values that depend on a parameter, parameters included. */
function reachableFromParams(graph: Graph): Set<number> {
  const reached = new Set(graph.params.map((param) => param.id));
  for (const node of graph.nodes) {
    if (valuesOf(node.inputs).some((value) => reached.has(value.id))) {
      for (const value of valuesOf(node.outputs)) reached.add(value.id);
    }
  }
  return reached;
}
