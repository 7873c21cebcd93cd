import { UserError } from '../errors.js';
import type { Node, Operands, Phase } from '../ir/graph.js';
import type { DType, Role, Shape, Value } from '../ir/value.js';
import { formatShape, sizeOf } from '../ir/value.js';
import type { AnyOp, AttrsOf, EmitOp, InputsOf, OpName, OutputsOf } from '../ops/index.js';
import { ops } from '../ops/index.js';

let nextId = 0;

/** Elements of one tensor: beyond that, byte counts and FLOPs would no longer be exact. */
const MOST_ELEMENTS = 2 ** 45;

/**
 * A fresh value; ids are unique in the process, so graphs can share values.
 * @throws UserError for a tensor that is larger than any machine's memory.
 */
export function makeValue(name: string, shape: Shape, dtype: DType, role: Role): Value {
  if (!(sizeOf(shape) <= MOST_ELEMENTS)) {
    throw new UserError(
      `${name}: a tensor of ${formatShape(shape)} elements; choose fewer channels, images or pixels`,
    );
  }
  return { id: nextId++, name, shape, dtype, role };
}

/** A node of `op` with freshly made outputs. The one place where the union of node types is entered. */
export function makeNode<K extends OpName>(
  op: K,
  inputs: InputsOf<K>,
  attrs: AttrsOf<K>,
  label: string,
  phase: Phase,
): { node: Node; outputs: OutputsOf<K> } {
  const definition = ops[op] as unknown as AnyOp;
  const types = definition.infer(inputs as Operands, attrs as object);
  const role = phase === 'prepare' ? 'constant' : 'activation';
  const outputs = Object.fromEntries(
    Object.entries(types).map(([name, type]) => [
      name,
      makeValue(`${label}.${name}`, type.shape, type.dtype, role),
    ]),
  );
  const node = {
    id: nextId++,
    op,
    label,
    phase,
    inputs: inputs as Operands,
    outputs,
    attrs: attrs as object,
  };
  return { node, outputs: outputs as OutputsOf<K> };
}

/** The same operation on other inputs (of the same shapes), with fresh outputs. */
export function cloneNode(
  node: Node,
  inputs: Readonly<Record<string, Value | undefined>>,
  label: string,
  phase: Phase,
): { node: Node; outputs: Readonly<Record<string, Value>> } {
  return makeNode(node.op as OpName, inputs as never, node.attrs as never, label, phase);
}

/** Emits nodes of one label and phase, unless others are given, one after the other into `add`. */
export const emitter =
  (label: string, phase: Phase, add: (node: Node) => void): EmitOp =>
  (op, inputs, attrs, options = {}) => {
    const made = makeNode(op, inputs, attrs, options.label ?? label, options.phase ?? phase);
    add(made.node);
    return made.outputs;
  };
