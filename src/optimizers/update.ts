import { emitter, makeValue } from '../graph/node.js';
import { flatLength } from '../graph/places.js';
import type { Graph, Node } from '../ir/graph.js';
import type { Initial, Shape, Value } from '../ir/value.js';
import { rescaled } from '../ops/rescale.js';
import type { AnyOptimizer } from './index.js';

export interface UpdateOptions {
  readonly optimizer: AnyOptimizer;
  /** What the gradients must be divided by first. */
  readonly lossScale?: Value;
  /** Keep an exponential moving average of parameters and running statistics. */
  readonly average?: boolean;
}

/** Slots of the weight average: flat as the parameters and the states are, and the decay that the trainer writes. */
export const averageSlots = {
  params: 'average.params',
  states: 'average.states',
  decay: 'average.decay',
} as const;

/**
 * Appends the phase `update`: the norm of the gradient, as the output `gradientNorm`, one pass over the flat parameters,
 * their gradients and the optimiser's moments, then one each over the averages of parameters and running statistics.
 */
export function appendUpdate(graph: Graph, { optimizer, lossScale, average = false }: UpdateOptions): Graph {
  const flat = (values: readonly Value[]): Shape => [1, 1, 1, flatLength(values)];
  const shape = flat(graph.params);
  const params = makeValue('params', shape, 'f32', 'param');
  const grads = makeValue('grads', shape, 'f32', 'activation');
  const moments = optimizer.moments.map((name) => makeValue(name, shape, 'f32', 'moment'));
  const hyper = makeValue('hyper', [1, 1, 1, optimizer.still.length], 'f32', 'input');
  const inputs = [...graph.inputs, hyper];
  const initial = new Map(graph.initial);
  const zero: Initial = { kind: 'constant', value: 0 };
  for (const moment of moments) initial.set(moment.id, zero);

  const nodes: Node[] = [...graph.nodes];
  const emitFor = (label: string, phase: Node['phase']) => emitter(label, phase, (node) => nodes.push(node));
  const grad = lossScale ? rescaled(emitFor('unscale', 'backward'), grads, lossScale, true) : grads;
  const guarded = emitFor('optimiser.guard', 'update')('guard', { grad, hyper }, { still: optimizer.still });
  const operands = { param: params, grad: guarded.newGrad, moments, hyper: guarded.newHyper };
  const newParams = optimizer.update(emitFor(`optimiser.${optimizer.name}`, 'update'), operands);
  const outputs = { ...graph.outputs, gradientNorm: guarded.norm };
  if (!average) {
    return {
      ...graph,
      nodes,
      outputs,
      states: [...graph.states, ...moments],
      inputs,
      initial,
      flat: { params, grads },
    };
  }
  const decay = makeValue(averageSlots.decay, [1, 1, 1, 1], 'f32', 'input');
  const states = makeValue('states', flat(graph.states), 'f32', 'state');
  const averages = [
    { x: newParams, average: makeValue(averageSlots.params, shape, 'f32', 'average') },
    { x: states, average: makeValue(averageSlots.states, states.shape, 'f32', 'average') },
  ].filter(({ x }) => x.shape[3] > 0);
  const emit = emitFor('optimiser.average', 'update');
  for (const { x, average } of averages) {
    initial.set(average.id, zero);
    emit('average', { x, average, decay }, {});
  }
  return {
    ...graph,
    nodes,
    outputs,
    states: [...graph.states, ...moments, ...averages.map(({ average }) => average)],
    inputs: [...inputs, decay],
    initial,
    flat: { params, grads, states },
  };
}
