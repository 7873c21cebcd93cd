import type { Graph, Node } from '../../ir/graph.js';
import { valuesOf } from '../../ir/graph.js';
import type { Value } from '../../ir/value.js';
import type { EmitOp, OutputsOf } from '../../ops/index.js';
import { ops } from '../../ops/index.js';
import type { RewriteContext } from '../../ops/op.js';
import { emitter } from '../node.js';

/** Looks at one node and perhaps rewrites it, with neighbours, through the rewriter. */
export type Rule = (node: Node, work: Rewriter) => void;

/** What a rewriting makes: nodes, and the fresh values that stand for old ones. */
interface Replacement {
  readonly nodes: readonly Node[];
  readonly renamed: ReadonlyMap<number, Value>;
}

/** Nodes under rewriting, with the questions every rule asks. A rewriting costs what it touches, not what there is. */
export class Rewriter {
  /** The nodes in order; a rewritten node's place holds what it became. */
  private readonly places: Node[][];
  private readonly placeOf = new Map<Node, number>();
  private readonly producers = new Map<number, Node>();
  /** Readers of each value with the names of their inputs. */
  private readonly readers = new Map<number, Map<Node, string[]>>();
  /** Values that somebody outside reads. */
  private readonly pinned: ReadonlySet<number>;
  /** Outputs of emitted nodes whose op has `keep`, by op and inputs. */
  private readonly kept = new Map<string, object>();

  constructor(graph: Graph) {
    this.pinned = new Set(
      [...Object.values(graph.outputs), ...graph.gradients.values()].map((value) => value.id),
    );
    this.places = graph.nodes.map((node) => [node]);
    graph.nodes.forEach((node, place) => {
      this.add(node, place);
    });
  }

  get nodes(): Node[] {
    return this.places.flat();
  }

  /** Offers every node to the rule, in order; what a node became is offered too. */
  apply(rule: Rule): void {
    for (const place of this.places) {
      for (let i = 0; i < place.length; ) {
        const node = place[i];
        rule(node, this);
        if (place[i] === node) i++;
      }
    }
  }

  producerOf(value: Value): Node | undefined {
    return this.producers.get(value.id);
  }

  readersOf(value: Value): ReadonlyMap<Node, readonly string[]> {
    return this.readers.get(value.id) ?? new Map();
  }

  /** True for outputs and gradients, which are read outside. */
  isPinned(value: Value): boolean {
    return this.pinned.has(value.id);
  }

  /** True if `reader` reads the value, once, and nothing else ever does. */
  onlyReader(value: Value, reader: Node): boolean {
    const readers = this.readersOf(value);
    return readers.size === 1 && readers.get(reader)?.length === 1 && !this.pinned.has(value.id);
  }

  /**
   * Puts what `build` emits in the place of `node` and takes `merged` (what it merges with) away.
   * @param build returns fresh values for those outputs of `node` that others read, or nothing: then nothing happens.
   */
  rewrite(
    node: Node,
    merged: Node | undefined,
    build: (context: RewriteContext) => Readonly<Record<string, Value>> | undefined,
  ): void {
    const nodes: Node[] = [];
    const emit = emitter(node.label, node.phase, (made) => nodes.push(made));
    const made = build({
      emit: this.once(emit),
      onlyReadHere: (value) => this.onlyReader(value, merged ?? node),
    });
    if (!made) return;
    const renamed = new Map(Object.entries(made).map(([name, value]) => [value.id, node.outputs[name]]));
    if (merged) this.replace(merged, []);
    this.replace(node, rename({ nodes, renamed }));
  }

  /** Replaces a node by others at its place. */
  replace(node: Node, by: readonly Node[]): void {
    const at = this.placeOf.get(node)!;
    const place = this.places[at];
    place.splice(place.indexOf(node), 1, ...by);
    this.remove(node);
    for (const next of by) this.add(next, at);
  }

  private once(emit: EmitOp): EmitOp {
    return (op, inputs, attrs, options) => {
      if (!ops[op].keep) return emit(op, inputs, attrs, options);
      const ids = Object.entries(inputs).map(([name, value]) => [name, (value as Value | undefined)?.id]);
      const key = JSON.stringify([op, ids, attrs]);
      const outputs = this.kept.get(key) ?? emit(op, inputs, attrs, options);
      this.kept.set(key, outputs);
      return outputs as OutputsOf<typeof op>;
    };
  }

  private add(node: Node, place: number): void {
    this.placeOf.set(node, place);
    for (const value of valuesOf(node.outputs)) this.producers.set(value.id, node);
    for (const [name, value] of Object.entries(node.inputs)) {
      if (!value) continue;
      const readers = this.readers.get(value.id) ?? new Map<Node, string[]>();
      this.readers.set(value.id, readers);
      readers.set(node, [...(readers.get(node) ?? []), name]);
    }
  }

  private remove(node: Node): void {
    this.placeOf.delete(node);
    for (const value of valuesOf(node.outputs)) {
      if (this.producers.get(value.id) === node) this.producers.delete(value.id);
    }
    for (const value of valuesOf(node.inputs)) this.readers.get(value.id)?.delete(node);
  }
}

/** The same nodes, writing and reading the old values in place of fresh ones. */
function rename({ nodes, renamed }: Replacement): Node[] {
  const mapped = <T extends Value | undefined>(operands: Readonly<Record<string, T>>) =>
    Object.fromEntries(
      Object.entries(operands).map(([name, value]) => [name, (value && renamed.get(value.id)) ?? value]),
    ) as Readonly<Record<string, T>>;
  return nodes.map((node) => ({ ...node, inputs: mapped(node.inputs), outputs: mapped(node.outputs) }));
}
