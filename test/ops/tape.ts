import { referenceBackend } from '../../src/backends/reference/index.js';
import type { Rng } from '../../src/data/rng.js';
import { makeNode, makeValue } from '../../src/graph/node.js';
import type { Node } from '../../src/ir/graph.js';
import type { Value } from '../../src/ir/value.js';
import { sizeOf } from '../../src/ir/value.js';
import type { EmitOp, KernelName, OpNode } from '../../src/ops/index.js';
import { opOf } from '../../src/ops/index.js';
import type { Tensor } from '../backends/harness.js';
import { assertClose, runOp } from '../backends/harness.js';

type Known = Map<number, Tensor>;

/** Evaluates one node in float64; views and what `fuse` lowers, which no backend has, by their definition. */
async function evaluate(any: Node, known: Known): Promise<void> {
  const input = (value: Value): Tensor => known.get(value.id)!;
  const node = any as unknown as OpNode;
  if (node.op === 'concat') {
    const parts = Object.values(node.inputs).map(input);
    known.set(node.outputs.y.id, concatenate(parts, node.outputs.y));
  } else if (node.op === 'split') {
    let first = 0;
    for (const part of Object.values(node.outputs)) {
      known.set(part.id, channelsOf(input(node.inputs.x), first, part));
      first += part.shape[3];
    }
  } else if (node.op === 'batchNorm') {
    const { x, stats, gamma, beta, slope } = node.inputs;
    const coefficients = await runOp(
      referenceBackend,
      'normCoefficients',
      { stats: input(stats), gamma: input(gamma), beta: input(beta) },
      {},
    );
    const operands = { x: input(x), ...coefficients, slope: slope && input(slope) };
    known.set(node.outputs.y.id, (await runOp(referenceBackend, 'affine', operands, { sign: 1 })).y);
  } else if (node.op === 'relu') {
    const operands = { x: input(node.inputs.x), slope: input(node.inputs.zero) };
    known.set(node.outputs.y.id, (await runOp(referenceBackend, 'prelu', operands, {})).y);
  } else {
    const inputs = Object.fromEntries(
      Object.entries(node.inputs).map(([name, value]: [string, Value | undefined]) => [
        name,
        value && input(value),
      ]),
    );
    const results = await runOp(
      referenceBackend,
      node.op as KernelName,
      inputs as never,
      node.attrs as never,
    );
    for (const [name, value] of Object.entries(node.outputs) as [string, Value][]) {
      known.set(value.id, (results as Record<string, Tensor>)[name]);
    }
  }
}

function channelsOf(whole: Tensor, first: number, part: Value): Tensor {
  const [channels, all] = [part.shape[3], whole.shape[3]];
  const data = new Float64Array(sizeOf(part.shape));
  for (let i = 0; i < data.length; i++) {
    data[i] = whole.data[Math.floor(i / channels) * all + first + (i % channels)];
  }
  return { shape: part.shape, data };
}

function concatenate(parts: readonly Tensor[], whole: Value): Tensor {
  const pixels = sizeOf(whole.shape) / whole.shape[3];
  const values: number[] = [];
  for (let p = 0; p < pixels; p++) {
    for (const { shape, data } of parts) values.push(...data.subarray(p * shape[3], (p + 1) * shape[3]));
  }
  return { shape: whole.shape, data: Float64Array.from(values) };
}

/** Applies the gradient rules of `nodes` in reverse; returns the gradient values and the nodes that compute them. */
function applyRules(nodes: readonly Node[], seeds: ReadonlyMap<number, Value>) {
  const emitted: Node[] = [];
  const emit: EmitOp = (op, inputs, attrs) => {
    const made = makeNode(op, inputs, attrs, `grad${emitted.length}`, 'backward');
    emitted.push(made.node);
    return made.outputs;
  };
  const grads = new Map(seeds);
  for (const node of [...nodes].reverse()) {
    const { gradient } = opOf(node);
    const outputs = Object.entries(node.outputs) as [string, Value][];
    const incoming = Object.fromEntries(outputs.map(([name, value]) => [name, grads.get(value.id)]));
    const result =
      gradient?.(node, incoming, { emit, needsGradient: (value) => value.dtype === 'f32' }) ?? {};
    for (const [name, value] of Object.entries(node.inputs) as [string, Value | undefined][]) {
      const grad = (result as Record<string, Value | undefined>)[name];
      if (!value || !grad) continue;
      const before = grads.get(value.id);
      grads.set(value.id, before ? emit('add', { a: before, b: grad }, { sign: 1 }).y : grad);
    }
  }
  return { grads, emitted };
}

/** Step of the central differences. Elements next to a kink must be further from it than this moves them. */
export const step = 1e-5;

/**
 * Builds a small graph on the given tensors, draws a random linear functional of its outputs, and compares its
 * gradient by the rules of `ops` with central finite differences in float64, for every element of every f32 leaf.
 * `fixed`: a functional instead of a random one, for rules that assume what the incoming gradient is.
 */
export async function checkGradients<L extends Readonly<Record<string, Tensor>>>(options: {
  readonly rng: Rng;
  readonly label: string;
  readonly leaves: L;
  /** f32 tensors without gradient. */
  readonly constants?: Readonly<Record<string, Tensor>>;
  build(
    emit: EmitOp,
    leaves: { readonly [K in keyof L]: Value },
    constants: Readonly<Record<string, Value>>,
  ): readonly Value[];
  readonly fixed?: readonly (readonly number[])[];
}): Promise<void> {
  const { rng, label, leaves } = options;
  const nodes: Node[] = [];
  const emit: EmitOp = (op, inputs, attrs) => {
    const made = makeNode(op, inputs, attrs, `forward${nodes.length}`, 'forward');
    nodes.push(made.node);
    return made.outputs;
  };
  const names = Object.keys(leaves);
  const given: Readonly<Record<string, Tensor>> = { ...leaves, ...options.constants };
  const values = Object.fromEntries(
    Object.entries(given).map(([name, { shape, data }]) => {
      return [name, makeValue(name, shape, data instanceof Uint8Array ? 'u8' : 'f32', 'input')];
    }),
  );
  const pick = (keys: readonly string[]) => Object.fromEntries(keys.map((key) => [key, values[key]]));
  const outputs = options.build(
    emit,
    pick(names) as { readonly [K in keyof L]: Value },
    pick(Object.keys(options.constants ?? {})),
  );
  const functional = outputs.map((output, i) => {
    const fixed = options.fixed?.[i];
    return Float64Array.from({ length: sizeOf(output.shape) }, (_, j) => fixed?.[j] ?? rng.range(-1, 1));
  });

  const forward = async (changed: Readonly<Record<string, Tensor>>): Promise<Known> => {
    const known: Known = new Map(Object.keys(given).map((name) => [values[name].id, changed[name]]));
    for (const node of nodes) await evaluate(node, known);
    return known;
  };
  const lossOf = (known: Known): number =>
    outputs.reduce(
      (sum, output, i) => functional[i].reduce((part, w, j) => part + w * known.get(output.id)!.data[j], sum),
      0,
    );

  const known = await forward(given);
  const seeds = new Map(
    outputs.map((output, i) => {
      const seed = makeValue(`g${i}`, output.shape, 'f32', 'input');
      known.set(seed.id, { shape: output.shape, data: functional[i] });
      return [output.id, seed];
    }),
  );
  const { grads, emitted } = applyRules(nodes, seeds);
  for (const node of emitted) await evaluate(node, known);

  for (const name of names) {
    const { shape, data } = leaves[name];
    if (data instanceof Uint8Array) continue;
    const grad = grads.get(values[name].id);
    if (!grad) throw new Error(`${label}: no gradient reaches ${name}`);
    const differences = new Float64Array(data.length);
    for (let i = 0; i < data.length; i++) {
      const sides = [];
      for (const delta of [step, -step]) {
        const moved = Float64Array.from(data);
        moved[i] += delta;
        sides.push(lossOf(await forward({ ...given, [name]: { shape, data: moved } })));
      }
      differences[i] = (sides[0] - sides[1]) / (2 * step);
    }
    assertClose(known.get(grad.id)!.data, differences, { relative: 1e-6, label: `${label}: d/d${name}` });
  }
}
