import type { Node as AnyNode, Graph } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import type { InputsOf, OpNode as Node, NodeFor, OpName, OutputsOf } from '../ops/index.js';
import { nodesOf, opOf } from '../ops/index.js';
import { makeNode as makeAnyNode } from './builder.js';

/**
 * Merges neighbouring nodes into the kernels that backends have: batch norm becomes two coefficients and an affine
 * map; affine maps, PReLUs and additions move into the prologue or epilogue of a convolution, a pooling or each
 * other. What a merged value would have held is never written. Also drops nodes nothing needs.
 */
export function fuse(graph: Graph): Graph {
  const work = new Workspace(dropUnused(graph), graph);
  lowerBatchNorm(work);
  lowerRelu(work);
  foldIntoProducer(work);
  lowerBias(work);
  moveIntoReaders(work);
  mergeAdditions(work);
  return {
    ...graph,
    nodes: dropUnused({ ...graph, nodes: work.nodes as unknown as AnyNode[] }) as unknown as AnyNode[],
  };
}

/** `makeNode`, its node known by its op. */
const makeNode = makeAnyNode as unknown as <K extends OpName>(
  ...args: Parameters<typeof makeAnyNode<K>>
) => { node: Node; outputs: OutputsOf<K> };

/** Removes nodes whose results reach neither an output, nor a gradient, nor a state. */
export function dropUnused(graph: Graph): Node[] {
  const needed = new Set(
    [...Object.values(graph.outputs), ...graph.gradients.values()].map((value) => value.id),
  );
  const kept: Node[] = [];
  for (const node of [...nodesOf(graph)].reverse()) {
    const updates = opOf(node as unknown as AnyNode).updatesState;
    if (!updates && !valuesOf(node.outputs).some((value) => needed.has(value.id))) continue;
    kept.push(node);
    for (const value of valuesOf(node.inputs)) needed.add(value.id);
  }
  return kept.reverse();
}

/** Where a value is read: the node and the name of the input. */
interface Use {
  readonly node: Node;
  readonly input: string;
}

/** Nodes under rewriting, with the questions every rewrite asks. */
class Workspace {
  private readonly pinned: Set<number>;
  private uses = new Map<number, Use[]>();
  private producers = new Map<number, Node>();

  constructor(
    public nodes: Node[],
    graph: Graph,
  ) {
    this.pinned = new Set(
      [...Object.values(graph.outputs), ...graph.gradients.values()].map((value) => value.id),
    );
    this.index();
  }

  private index(): void {
    this.uses = new Map();
    this.producers = new Map();
    for (const node of this.nodes) {
      for (const value of valuesOf(node.outputs)) this.producers.set(value.id, node);
      for (const [input, value] of Object.entries(node.inputs) as [string, Value | undefined][]) {
        if (!value) continue;
        const list = this.uses.get(value.id) ?? [];
        list.push({ node, input });
        this.uses.set(value.id, list);
      }
    }
  }

  /** Reads of a value; an output of the graph has one more reader outside. */
  usesOf(value: Value): readonly Use[] {
    return this.uses.get(value.id) ?? [];
  }
  producerOf(value: Value): Node | undefined {
    return this.producers.get(value.id);
  }
  /** True if `reader` is the only one that ever reads the value. */
  onlyReader(value: Value, reader: Node): boolean {
    const uses = this.usesOf(value);
    return uses.length === 1 && uses[0].node === reader && !this.pinned.has(value.id);
  }
  isPinned(value: Value): boolean {
    return this.pinned.has(value.id);
  }

  /** Replaces nodes (an empty list removes) and looks everything up anew. */
  replace(changes: ReadonlyMap<Node, readonly Node[]>): void {
    this.nodes = this.nodes.flatMap((node) => changes.get(node) ?? [node]);
    this.index();
  }
}

/** A node with some inputs replaced or added, the same outputs, at another place if the caller puts it there. */
const withInputs = (node: Node, inputs: Readonly<Record<string, Value | undefined>>): Node =>
  ({ ...node, inputs: { ...node.inputs, ...inputs } }) as Node;
const withOutput = (node: Node, outputs: Readonly<Record<string, Value>>): Node =>
  ({ ...node, outputs }) as unknown as Node;

/** `batchNorm` → `normCoefficients` (once per statistics, also for the recomputation) and `affine`. */
function lowerBatchNorm(work: Workspace): void {
  const coefficients = new Map<number, { scale: Value; shift: Value }>();
  const changes = new Map<Node, Node[]>();
  for (const node of work.nodes) {
    if (node.op !== 'batchNorm') continue;
    const { x, stats, gamma, beta, slope } = node.inputs;
    const lowered: Node[] = [];
    let known = coefficients.get(stats.id);
    if (!known) {
      const made = makeNode('normCoefficients', { stats, gamma, beta }, {}, node.label, node.phase);
      lowered.push(made.node);
      known = made.outputs;
      coefficients.set(stats.id, known);
    }
    const made = makeNode('affine', { x, ...known, slope }, { sign: 1 }, node.label, node.phase);
    lowered.push(withOutput(made.node, node.outputs as Record<string, Value>));
    changes.set(node, lowered);
  }
  work.replace(changes);
}

/** `relu` → `prelu` of slope zero, which merges into whatever a PReLU merges into. */
function lowerRelu(work: Workspace): void {
  const changes = new Map<Node, Node[]>();
  for (const node of work.nodes) {
    if (node.op !== 'relu') continue;
    const { x, zero } = node.inputs;
    const made = makeNode('prelu', { x, slope: zero }, {}, node.label, node.phase);
    changes.set(node, [withOutput(made.node, node.outputs as Record<string, Value>)]);
  }
  work.replace(changes);
}

/** `addBias` that no batch norm took up → `affine` of scale one. */
function lowerBias(work: Workspace): void {
  const changes = new Map<Node, Node[]>();
  for (const node of work.nodes) {
    if (node.op !== 'addBias') continue;
    const { x, bias, one } = node.inputs;
    const made = makeNode('affine', { x, scale: one, shift: bias }, { sign: 1 }, node.label, node.phase);
    changes.set(node, [withOutput(made.node, node.outputs as Record<string, Value>)]);
  }
  work.replace(changes);
}

/**
 * Epilogues: an affine map with constant coefficients is folded into the weights of the convolution (or the
 * epilogue of the pooling) that makes its input, through a concat too; a PReLU follows its convolution.
 */
function foldIntoProducer(work: Workspace): void {
  for (const node of [...work.nodes]) {
    if (node.op === 'affine' && node.inputs.scale.role === 'constant' && !node.inputs.residual) {
      distributeOverConcat(work, node);
    }
  }
  for (const node of [...work.nodes]) {
    if (node.op === 'affine' && node.inputs.scale.role === 'constant' && !node.inputs.residual) {
      foldAffine(work, node);
    } else if (node.op === 'prelu') {
      const producer = work.producerOf(node.inputs.x);
      if (
        producer?.op === 'conv2d' &&
        !producer.inputs.slope &&
        !producer.inputs.residual &&
        work.onlyReader(node.inputs.x, node)
      ) {
        const merged = withOutput(withInputs(producer, { slope: node.inputs.slope }), { y: node.outputs.y });
        work.replace(
          new Map<Node, readonly Node[]>([
            [producer, []],
            [node, [merged]],
          ]),
        );
      }
    }
  }
}

function foldAffine(work: Workspace, node: NodeFor<'affine'>): void {
  const { x, scale, shift, slope } = node.inputs;
  const producer = work.producerOf(x);
  if (!producer || !work.onlyReader(x, node)) return;
  if (producer.op === 'conv2d' && !producer.inputs.slope && !producer.inputs.residual) {
    const scaled = makeNode(
      'scaleWeight',
      { weight: producer.inputs.weight, scale },
      {},
      producer.label,
      'prepare',
    );
    const moved = producer.inputs.bias && scaledBias(producer.inputs.bias, node);
    const inputs = { weight: scaled.outputs.y, bias: moved?.outputs.y ?? shift, slope };
    const merged = withOutput(withInputs(producer, inputs), { y: node.outputs.y });
    work.replace(
      new Map<Node, readonly Node[]>([
        [producer, []],
        [node, [scaled.node, ...(moved ? [moved.node] : []), merged]],
      ]),
    );
  } else if (producer.op === 'addBias') {
    const moved = scaledBias(producer.inputs.bias, node);
    work.replace(
      new Map<Node, readonly Node[]>([
        [producer, []],
        [node, [moved.node, withInputs(node, { x: producer.inputs.x, shift: moved.outputs.y })]],
      ]),
    );
  } else if (producer.op === 'pyramidPool' && !producer.inputs.scale) {
    const merged = withOutput(withInputs(producer, { scale, shift, slope }), { y: node.outputs.y });
    work.replace(
      new Map<Node, readonly Node[]>([
        [producer, []],
        [node, [merged]],
      ]),
    );
  }
}

/** `scale·(x + bias) + shift = scale·x + (scale·bias + shift)`: the last term, computed once. */
const scaledBias = (bias: Value, { inputs: { scale, shift }, label }: NodeFor<'affine'>) =>
  makeNode('affine', { x: bias, scale, shift }, { sign: 1 }, `${label}.bias`, 'prepare');

/** `affine(concat(a, b))` → `concat(affine(a), affine(b))`, so that each part can be folded into what made it. */
function distributeOverConcat(work: Workspace, node: NodeFor<'affine'>): void {
  const joined = work.producerOf(node.inputs.x);
  if (joined?.op !== 'concat' || !work.onlyReader(node.inputs.x, node)) return;
  const parts = Object.values(joined.inputs);
  if (!parts.every((part) => work.onlyReader(part, joined))) return;
  const sizes = parts.map((part) => part.shape[3]);
  const made: Node[] = [];
  const cut = (vector: Value): Record<string, Value> => {
    const { node: splitNode, outputs } = makeNode(
      'split',
      { x: vector },
      { sizes },
      `${node.label}.part`,
      'prepare',
    );
    made.push(splitNode);
    return outputs;
  };
  const scales = cut(node.inputs.scale);
  const shifts = cut(node.inputs.shift);
  const slopes = node.inputs.slope ? cut(node.inputs.slope) : undefined;
  const mapped = parts.map((x, i) => {
    const part = makeNode(
      'affine',
      { x, scale: scales[`y${i}`], shift: shifts[`y${i}`], slope: slopes?.[`y${i}`] },
      node.attrs,
      node.label,
      node.phase,
    );
    made.push(part.node);
    return part.outputs.y;
  });
  const rejoined = makeNode(
    'concat',
    Object.fromEntries(mapped.map((part, i) => [`x${i}`, part])),
    {},
    joined.label,
    joined.phase,
  );
  made.push(withOutput(rejoined.node, { y: node.outputs.y }));
  work.replace(
    new Map<Node, readonly Node[]>([
      [joined, []],
      [node, made],
    ]),
  );
}

/**
 * Prologues: an affine map or PReLU that is only read where readers can apply it on the fly is not written at all;
 * they read its input instead. In training this is what keeps one feature map per convolution, not two.
 */
function moveIntoReaders(work: Workspace): void {
  const accepts = ({ node, input }: Use): boolean =>
    input === 'x' &&
    (node.op === 'conv2d' || node.op === 'conv2dGradWeight' || node.op === 'pyramidPool') &&
    !node.inputs.preScale &&
    !node.inputs.preSlope;
  for (const node of [...work.nodes]) {
    if (node.op !== 'affine' && node.op !== 'prelu') continue;
    if (node.op === 'affine' && (node.inputs.residual || node.attrs.sign !== 1)) continue;
    const uses = work.usesOf(node.outputs.y);
    if (work.isPinned(node.outputs.y) || uses.length === 0 || !uses.every(accepts)) continue;
    const inputs = node.inputs as InputsOf<'affine'>;
    const prologue = {
      x: inputs.x,
      preScale: inputs.scale,
      preShift: inputs.shift,
      preSlope: inputs.slope,
    };
    const changes = new Map<Node, Node[]>([[node, []]]);
    for (const use of uses) changes.set(use.node, [withInputs(use.node, prologue)]);
    work.replace(changes);
  }
}

/** Additions move into the kernel that makes one of their operands, as its residual or accumulator. */
function mergeAdditions(work: Workspace): void {
  for (const node of [...work.nodes]) {
    if (node.op !== 'add') continue;
    const { a, b } = node.inputs;
    const merged =
      mergeAddition(work, node, b, a) ??
      (node.attrs.sign === 1 ? mergeAddition(work, node, a, b) : undefined);
    if (merged) {
      work.replace(
        new Map<Node, readonly Node[]>([
          [merged.producer, []],
          [node, [merged.node]],
        ]),
      );
    }
  }
}

function mergeAddition(
  work: Workspace,
  node: NodeFor<'add'>,
  operand: Value,
  other: Value,
): { producer: Node; node: Node } | undefined {
  const producer = work.producerOf(operand);
  if (!producer || operand.id === other.id || !work.onlyReader(operand, node)) return undefined;
  const { sign } = node.attrs;
  const outputs = node.outputs as unknown as Record<string, Value>;
  switch (producer.op) {
    case 'affine': {
      if (producer.inputs.residual) return undefined;
      const merged = withOutput(withInputs(producer, { residual: other }), outputs);
      return { producer, node: { ...merged, attrs: { sign } } as Node };
    }
    case 'conv2d':
      if (producer.inputs.residual || sign !== 1) return undefined;
      return { producer, node: withOutput(withInputs(producer, { residual: other }), outputs) };
    case 'conv2dGradInput':
    case 'pyramidPoolGrad':
      if (producer.inputs.acc || sign !== 1) return undefined;
      return { producer, node: withOutput(withInputs(producer, { acc: other }), { gx: outputs.y }) };
    default:
      return undefined;
  }
}
