import type { Graph, Node } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { elementBytes } from '../ir/value.js';
import { opOf } from '../ops/index.js';
import type { TensorRef } from './planned.js';
import type { Region } from './region.js';
import { coveredColumns, regionOf } from './region.js';

/** Where a plan puts what a graph computes. */
export interface Placement {
  readonly graph: Graph;
  /** In order; views too, reading the copies that were made for them. */
  readonly nodes: readonly Node[];
  /** By value id. */
  readonly places: ReadonlyMap<number, TensorRef>;
  /** Private memory by node id. */
  readonly scratch: ReadonlyMap<number, { readonly offset: number; readonly bytes: number }>;
  /** What the backend keeps between runs. */
  readonly kept: readonly { readonly offset: number; readonly bytes: number }[];
  /** Nodes that run as one kernel with a later one. What they give has no memory if that reads it, which it then does alone. */
  readonly joined: ReadonlyMap<Node, Node>;
  /** Names of inputs that need to last only until they were read. */
  readonly consumed: readonly string[];
  readonly arenaBytes: number;
  /** Part of the arena that outlives a run. */
  readonly persistentBytes: number;
}

/** Channels of a tensor that a kernel or the caller writes; views are made of them. */
interface Piece {
  readonly root: Root;
  readonly from: number;
  readonly to: number;
}

/** A tensor that is written as one, and who reads which channels when. */
interface Root {
  readonly value: Value;
  /** Step of the write; −1 for what is there when a run begins. */
  readonly written: number;
  /** Kept between runs, so there at every step. */
  readonly lasting: boolean;
  readonly reads: {
    readonly from: number;
    readonly to: number;
    readonly step: number;
    readonly input?: string;
  }[];
  last: number;
}

const FOREVER = Number.POSITIVE_INFINITY;

/**
 * Checks that no write touches what is still to be read, except in place where the op allows it; that scratch touches
 * nothing; that views lie where their parts do; and that all is inside the arena.
 * @throws Error naming the call and the two tensors.
 */
export function verifyPlacement(placement: Placement): void {
  const { nodes, places, scratch } = placement;
  const { roots, pieces } = rootsOf(placement);
  const regions = new Map<Root, Region>();
  const placeOf = (value: Value): TensorRef => {
    const ref = places.get(value.id);
    if (!ref) throw new Error(`plan: ${value.name} has no place`);
    return ref;
  };
  for (const root of roots) {
    const region = regionOf(placeOf(root.value));
    checkInside(placement, root, region);
    regions.set(root, region);
  }
  const apart = (region: Region, root: Root): boolean => {
    const other = regions.get(root)!;
    // A tensor without channels (ESPNet's narrow branches with fewer than five classes) touches nothing.
    if (region.width === 0 || other.width === 0) return true;
    return region.start >= other.end || other.start >= region.end;
  };
  const byStep = new Map<number, Root[]>();
  for (const root of roots) byStep.set(root.written, [...(byStep.get(root.written) ?? []), root]);

  checkKept(placement, [...regions]);
  const firstOf = new Map([...placement.joined].map(([first, second]) => [second, first]));
  let live = roots.filter(({ written }) => written === -1);
  nodes.forEach((node, step) => {
    const where = `plan: ${node.label} (${node.op})`;
    if (opOf(node).view) {
      checkView(node, pieces, placeOf, where);
      return;
    }
    live = live.filter(({ last }) => last >= step);
    const written = byStep.get(step) ?? [];
    for (const root of written) {
      const region = regions.get(root)!;
      const allowed = new Set(
        [firstOf.get(node) ?? [], node].flat().flatMap((one) => [...inputsUnder(one, root.value)]),
      );
      for (const other of live) {
        if (other === root || apart(region, other)) continue;
        const clash = meets(region, other, step, placeOf(other.value), allowed);
        if (clash) throw new Error(`${where} writes ${root.value.name} over ${other.value.name}, ${clash}`);
      }
      for (const other of written) {
        if (other !== root && coveredColumns(region, regions.get(other)!)) {
          throw new Error(`${where} writes ${root.value.name} and ${other.value.name} to the same place`);
        }
      }
    }
    for (const { id } of [node, firstOf.get(node) ?? []].flat()) {
      const { offset, bytes } = scratch.get(id) ?? { offset: 0, bytes: 0 };
      if (bytes === 0) continue;
      if (offset < placement.persistentBytes || offset + bytes > placement.arenaBytes) {
        throw new Error(`${where}: its scratch lies outside of the arena`);
      }
      const region: Region = { start: offset, width: bytes, stride: bytes, rows: 1, end: offset + bytes };
      for (const other of [...live, ...written]) {
        if (apart(region, other)) continue;
        const touched = written.includes(other)
          ? coveredColumns(region, regions.get(other)!)
          : meets(region, other, step, placeOf(other.value), new Set());
        if (touched) throw new Error(`${where}: its scratch lies over ${other.value.name}`);
      }
    }
    live.push(...written.filter(({ lasting, last }) => !lasting && last > step));
  });
}

/** Every tensor that is written, with all its reads, those through views included. */
function rootsOf({ graph, nodes, joined, consumed }: Placement): {
  roots: Root[];
  pieces: Map<number, Piece[]>;
} {
  const roots: Root[] = [];
  const pieces = new Map<number, Piece[]>();
  const gradients = new Set([...graph.gradients.values()].map(({ id }) => id));
  const addRoot = (value: Value, written: number): void => {
    const given = written === -1 && !consumed.includes(value.name);
    const lasting = given || value.role === 'constant' || gradients.has(value.id);
    const root: Root = { value, written, lasting, reads: [], last: -1 };
    roots.push(root);
    pieces.set(value.id, [{ root, from: 0, to: value.shape[3] }]);
    if (lasting) read(value, FOREVER);
  };
  const read = (value: Value, step: number, input?: string): void => {
    for (const { root, from, to } of pieces.get(value.id) ?? []) {
      root.reads.push({ from, to, step, input });
      root.last = Math.max(root.last, step);
    }
  };
  const { flat } = graph;
  for (const value of [...graph.params, ...graph.states, ...graph.inputs]) addRoot(value, -1);
  const wholes = (values: readonly Value[]) => values.flatMap(({ id }) => pieces.get(id) ?? []);
  if (flat) pieces.set(flat.params.id, wholes(graph.params));
  if (flat?.states) pieces.set(flat.states.id, wholes(graph.states.filter(({ role }) => role === 'state')));
  nodes.forEach((node, step) => {
    const { view } = opOf(node);
    if (view === 'join') {
      pieces.set(
        node.outputs.y.id,
        valuesOf(node.inputs).flatMap(({ id }) => pieces.get(id) ?? []),
      );
    } else if (view === 'cut') {
      let at = 0;
      for (const part of valuesOf(node.outputs)) {
        pieces.set(part.id, cutPieces(pieces.get(node.inputs.x!.id) ?? [], at, at + part.shape[3]));
        at += part.shape[3];
      }
    } else {
      if (flat) pieces.set(flat.grads.id, wholes([...graph.gradients.values()]));
      const second = joined.get(node);
      const at = second ? nodes.indexOf(second) : step;
      for (const [name, value] of Object.entries(node.inputs)) if (value) read(value, at, name);
      for (const value of valuesOf(node.outputs)) {
        if (!second || !valuesOf(second.inputs).includes(value)) addRoot(value, at);
      }
    }
  });
  for (const value of Object.values(graph.outputs)) read(value, FOREVER);
  return { roots, pieces };
}

/** Channels `[low, high)` of a list of pieces. */
function cutPieces(list: readonly Piece[], low: number, high: number): Piece[] {
  let at = 0;
  return list.flatMap(({ root, from, to }) => {
    const start = at;
    at += to - from;
    const [first, last] = [Math.max(low, start), Math.min(high, at)];
    return first < last ? [{ root, from: from + first - start, to: from + last - start }] : [];
  });
}

/** Inputs that the op may write this output over. */
function inputsUnder(node: Node, output: Value): Set<string> {
  const { inPlace = {}, updatesState } = opOf(node);
  const names = Object.keys(inPlace).flatMap((name) => (node.outputs[name] === output ? inPlace[name]! : []));
  return new Set(updatesState ? [...names, 'state'] : names);
}

/** How a write at `step` disturbs a tensor, in words; `allowed`: inputs of the writer it may write over. */
function meets(
  region: Region,
  other: Root,
  step: number,
  place: TensorRef,
  allowed: ReadonlySet<string>,
): string | undefined {
  for (const read of other.reads) {
    if (read.step < step) continue;
    if (!coveredColumns(regionOf(place, read.from, read.to), region)) continue;
    if (read.step === step && read.input !== undefined && allowed.has(read.input)) continue;
    // New state over old: what stands there is read again in the next run.
    const own = other.reads.some(
      ({ step: at, input }) => at === step && input !== undefined && allowed.has(input),
    );
    if (own && allowed.has('state')) continue;
    if (read.step === FOREVER) return 'which is kept';
    return read.step === step ? `which it reads as ${read.input}` : `which step ${read.step} reads`;
  }
  return undefined;
}

/** What is kept lies in the lasting part, and nothing else does there. */
function checkKept({ kept, persistentBytes }: Placement, regions: readonly [Root, Region][]): void {
  for (const { offset, bytes } of kept) {
    const end = offset + bytes;
    if (end > persistentBytes) throw new Error(`plan: kept bytes ${offset} to ${end} do not last`);
    for (const [root, region] of regions) {
      if (region.start < end && offset < region.end)
        throw new Error(`plan: what is kept lies over ${root.value.name}`);
    }
  }
}

function checkInside({ arenaBytes, persistentBytes }: Placement, root: Root, { start, end }: Region): void {
  if (start < 0 || end > arenaBytes || (root.lasting && end > persistentBytes)) {
    throw new Error(
      `plan: ${root.value.name} at bytes ${start} to ${end} lies outside of its part of the arena`,
    );
  }
}

/** A view lies where its parts do, channel by channel. */
function checkView(
  node: Node,
  pieces: ReadonlyMap<number, Piece[]>,
  placeOf: (value: Value) => TensorRef,
  where: string,
): void {
  for (const value of [...valuesOf(node.inputs), ...valuesOf(node.outputs)]) {
    const ref = placeOf(value);
    const element = elementBytes[ref.dtype];
    let at = ref.offset;
    for (const { root, from, to } of pieces.get(value.id) ?? []) {
      const whole = placeOf(root.value);
      if (whole.offset + element * from !== at || whole.pixelStride !== ref.pixelStride) {
        throw new Error(`${where}: ${value.name} does not lie where ${root.value.name} does`);
      }
      at += element * (to - from);
    }
  }
}
