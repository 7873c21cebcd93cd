import type { Graph, Node } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { bytesOf, elementBytes, sizeOf } from '../ir/value.js';
import type { AnyOp } from '../ops/index.js';
import { opOf } from '../ops/index.js';
import { packIntervals } from './arena.js';
import { joinedSteps } from './join.js';
import { makeNode } from './node.js';
import { debugging } from './passes.js';
import type { Call, MemoryPoint, Plan, ScratchRule, Slot, TensorRef } from './planned.js';
import type { Placement } from './verifyPlacement.js';
import { verifyPlacement } from './verifyPlacement.js';

/** Start of whole tensors: a cache line; with f16, what GPUs bind memory at, so that a binding holds one type. */
const ALIGN = 64;
const HALF_ALIGN = 256;
/** Start of each parameter within the flat region: one SIMD vector. */
const PARAM_ALIGN_ELEMENTS = 4;

const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;

/** Elements of the flat region that holds all params; gradients and states have regions of the same kind. */
export const flatLength = (params: readonly Value[]): number =>
  params.reduce((sum, param) => sum + alignUp(sizeOf(param.shape), PARAM_ALIGN_ELEMENTS), 0);

/** The states that a model is made of, and what training keeps beside them. */
const byRole = ({ states }: Graph): { running: Value[]; others: Value[] } => ({
  running: states.filter(({ role }) => role === 'state'),
  others: states.filter(({ role }) => role !== 'state'),
});

const hasHalf = ({ nodes }: Graph): boolean =>
  nodes.some((node) => valuesOf(node.outputs).some(({ dtype }) => dtype === 'f16'));

/** A block of memory that one or more values share as ranges of channels. */
interface Storage {
  pixels: number;
  channels: number;
  bytes: number;
  persistent: boolean;
  /** Set for persistent storages at once, for the others by packing. */
  offset: number;
  values: Value[];
}

interface Place {
  storage: Storage;
  channel: number;
}

/**
 * Gives every value a place in one arena: order is kept, liveness over that order decides who may share memory,
 * views and in-place updates share storages. `scratchBytes` is the backend's need of private memory per call.
 * `consumed`: inputs whose memory serves other values once they were read; they must be written before every run.
 */
export function plan(graph: Graph, scratchBytes: ScratchRule, consumed: readonly string[] = []): Plan {
  const planner = new Planner(graph, consumed);
  const plan = planner.finish(scratchBytes);
  if (debugging()) verifyPlacement(planner.placement(plan));
  return plan;
}

/** The places behind a plan, for `verifyPlacement`. */
export function placementOf(
  graph: Graph,
  scratchBytes: ScratchRule,
  consumed: readonly string[] = [],
): Placement {
  const planner = new Planner(graph, consumed);
  return planner.placement(planner.finish(scratchBytes));
}

const roleOfState = ({ role }: Value): Slot['role'] =>
  role === 'moment' || role === 'average' ? role : 'state';

class Planner {
  private readonly places = new Map<number, Place>();
  private readonly lastUse = new Map<number, number>();
  private readonly nodes: readonly Node[];
  /** The nodes that become calls, with the copies that views need. */
  private readonly steps: Node[] = [];
  /** The same with the views, which read those copies. */
  private readonly placed: Node[] = [];
  /** For a step that runs as one kernel with another: the two, and the value between, which has no memory. */
  private readonly joined = new Map<number, { readonly pair: readonly [number, number]; between: Storage }>();
  /** What the backend keeps for a step between runs. */
  private readonly kept = new Map<Node, { offset: number; bytes: number }>();
  private persistentEnd = 0;
  private readonly flatParams: { offset: number; length: number };
  private readonly align: number;

  constructor(
    private readonly graph: Graph,
    private readonly consumed: readonly string[],
  ) {
    this.nodes = graph.nodes;
    this.align = hasHalf(graph) ? HALF_ALIGN : ALIGN;
    this.nodes.forEach((node, i) => {
      for (const value of valuesOf(node.inputs)) this.lastUse.set(value.id, i);
    });
    for (const value of Object.values(graph.outputs)) this.lastUse.set(value.id, Number.POSITIVE_INFINITY);

    const length = flatLength(graph.params);
    this.flatParams = { offset: 0, length };
    this.placeFlat(graph.params, graph.flat?.params);
    if (graph.gradients.size > 0) {
      this.placeFlat(
        graph.params.map((param) => graph.gradients.get(param.id)!),
        graph.flat?.grads,
      );
    }
    const { running, others } = byRole(graph);
    this.placeFlat(running, graph.flat?.states);
    for (const value of others) this.placePersistent(value);
    for (const value of graph.inputs) {
      if (consumed.includes(value.name)) this.newStorage(value, false);
      else this.placePersistent(value);
    }
    this.nodes.forEach((node, i) => {
      this.visit(node, i);
    });
  }

  private placeFlat(values: readonly Value[], whole: Value | undefined): void {
    const start = this.persistentEnd;
    for (const value of values) {
      if (this.places.has(value.id))
        throw new Error(`${value.name}: one value is the gradient of two parameters`);
      const storage = this.newStorage(value, true);
      storage.offset = this.persistentEnd;
      this.persistentEnd += 4 * alignUp(sizeOf(value.shape), PARAM_ALIGN_ELEMENTS);
    }
    if (whole) {
      const storage = this.newStorage(whole, true);
      storage.offset = start;
    }
    this.persistentEnd = alignUp(this.persistentEnd, this.align);
  }

  private placePersistent(value: Value): void {
    const storage = this.newStorage(value, true);
    storage.offset = this.persistentEnd;
    this.persistentEnd = alignUp(this.persistentEnd + storage.bytes, this.align);
  }

  private newStorage(value: Value, persistent: boolean): Storage {
    const [n, h, w, c] = value.shape;
    const storage: Storage = {
      pixels: n * h * w,
      channels: c,
      bytes: bytesOf(value),
      persistent,
      offset: -1,
      values: [],
    };
    this.assign(value, storage, 0);
    return storage;
  }

  private assign(value: Value, storage: Storage, channel: number): void {
    this.places.set(value.id, { storage, channel });
    storage.values.push(value);
  }

  private placeOf(value: Value): Place {
    const place = this.places.get(value.id);
    if (!place) throw new Error(`${value.name} is read before it is written`);
    return place;
  }

  private visit(node: Node, at: number): void {
    const definition = opOf(node);
    if (definition.view === 'cut') {
      const { storage, channel } = this.placeOf(node.inputs.x!);
      let offset = channel;
      for (const part of Object.values(node.outputs)) {
        this.assign(part, storage, offset);
        offset += part.shape[3];
      }
      this.placed.push(node);
      return;
    }
    if (definition.view === 'join') {
      const inputs = this.visitConcat(valuesOf(node.inputs), node.outputs.y, node);
      this.placed.push({ ...node, inputs: Object.fromEntries(inputs.map((part, i) => [`x${i}`, part])) });
      return;
    }
    const { inputs, outputs } = node;
    const taken = new Set<string>();
    for (const [name, output] of Object.entries(outputs)) {
      // Gradients of parameters already have their place in the flat region.
      if (this.places.has(output.id)) continue;
      const over = (definition.inPlace ?? []).find(([out, input]) => {
        const target = inputs[input];
        return (
          out === name &&
          target &&
          !taken.has(input) &&
          this.mayOverwrite(node, output, target, at, definition)
        );
      });
      if (over) {
        const place = this.placeOf(inputs[over[1]]!);
        this.assign(output, place.storage, place.channel);
        taken.add(over[1]);
      } else if (node.phase === 'prepare') {
        this.placePersistent(output);
      } else {
        this.newStorage(output, false);
      }
    }
    this.addStep(node);
  }

  private addStep(node: Node): void {
    this.steps.push(node);
    this.placed.push(node);
  }

  /** True if nothing reads `target`, or anything that shares its memory, after the node at `at`. */
  private mayOverwrite(node: Node, output: Value, target: Value, at: number, definition: AnyOp): boolean {
    const place = this.placeOf(target);
    if (definition.updatesState) return true;
    // `x + conv(x)`: what is added may be overwritten pixel by pixel, what is convolved may not.
    if (valuesOf(node.inputs).filter(({ id }) => id === target.id).length > 1) return false;
    if (place.storage.persistent || output.dtype !== target.dtype) return false;
    if (sizeOf(output.shape) !== sizeOf(target.shape) || output.shape[3] !== target.shape[3]) return false;
    const from = place.channel;
    const to = from + target.shape[3];
    return place.storage.values.every((value) => {
      const start = this.placeOf(value).channel;
      if (start >= to || start + value.shape[3] <= from) return true;
      const last = this.lastUse.get(value.id) ?? -1;
      if (last > at) return false;
      // Another input of this very node in the same memory would be overwritten while it is read.
      return (
        last < at || value.id === target.id || !valuesOf(node.inputs).some((input) => input.id === value.id)
      );
    });
  }

  /** @returns the parts that the whole is made of, copies in place of those that could not lie there themselves. */
  private visitConcat(parts: readonly Value[], whole: Value, node: Node): Value[] {
    const first = this.placeOf(parts[0]);
    let next = first.channel;
    const adjacent = parts.every((part) => {
      const place = this.placeOf(part);
      const fits = place.storage === first.storage && place.channel === next;
      next += part.shape[3];
      return fits;
    });
    if (adjacent) {
      this.assign(whole, first.storage, first.channel);
      return [...parts];
    }
    const storage = this.newStorage(whole, node.phase === 'prepare');
    if (storage.persistent) throw new Error(`${whole.name}: constants are not concatenated`);
    const seen = new Set<Storage>();
    const joined: Value[] = [];
    let channel = 0;
    for (const part of parts) {
      const place = this.placeOf(part);
      const owned =
        !place.storage.persistent &&
        !seen.has(place.storage) &&
        place.channel === 0 &&
        place.storage.channels === part.shape[3];
      if (owned) {
        // What made this part writes straight into its range of the whole.
        seen.add(place.storage);
        for (const value of place.storage.values) {
          this.assign(value, storage, channel + this.placeOf(value).channel);
        }
        place.storage.values = [];
        joined.push(part);
      } else {
        const made = makeNode('copy', { x: part }, {}, node.label, node.phase);
        this.assign(made.outputs.y, storage, channel);
        this.addStep(made.node);
        joined.push(made.outputs.y);
      }
      channel += part.shape[3];
    }
    return joined;
  }

  private ref(value: Value): TensorRef {
    const { storage, channel } = this.placeOf(value);
    return {
      name: value.name,
      dtype: value.dtype,
      shape: value.shape,
      offset: storage.offset + elementBytes[value.dtype] * channel,
      pixelStride: storage.channels,
    };
  }

  /** First and last step at which each transient storage holds something. */
  private lifetimes(): { storage: Storage; start: number; end: number }[] {
    const start = new Map<Storage, number>();
    const end = new Map<Storage, number>();
    for (const value of this.graph.inputs) {
      if (this.consumed.includes(value.name)) start.set(this.placeOf(value).storage, 0);
    }
    this.steps.forEach((node, i) => {
      const [first, last] = this.joined.get(i)?.pair ?? [i, i];
      for (const value of valuesOf(node.outputs)) {
        const { storage } = this.placeOf(value);
        if (!start.has(storage)) start.set(storage, first);
        end.set(storage, Math.max(end.get(storage) ?? 0, last));
      }
      for (const value of valuesOf(node.inputs)) {
        const { storage } = this.placeOf(value);
        end.set(storage, Math.max(end.get(storage) ?? 0, last));
      }
    });
    for (const value of Object.values(this.graph.outputs)) {
      end.set(this.placeOf(value).storage, this.steps.length - 1);
    }
    const unwritten = new Set([...this.joined.values()].map(({ between }) => between));
    return [...start]
      .filter(([storage]) => !storage.persistent && !unwritten.has(storage))
      .map(([storage, first]) => ({ storage, start: first, end: end.get(storage)! }));
  }

  finish(scratchBytes: ScratchRule): Plan {
    for (const { storage } of this.lifetimes()) storage.offset = 0;
    this.join(scratchBytes);
    this.keep(scratchBytes);
    const lifetimes = this.lifetimes();
    const scratch = this.steps.map((node) => scratchBytes(this.call(node)));
    const intervals = [
      ...lifetimes.map(({ storage, start, end }) => ({
        bytes: alignUp(storage.bytes, this.align),
        start,
        end,
      })),
      ...scratch.map((bytes, i) => {
        const [start, end] = this.joined.get(i)?.pair ?? [i, i];
        return { bytes: alignUp(bytes, this.align), start, end };
      }),
    ];
    const packed = packIntervals(intervals);
    lifetimes.forEach(({ storage }, i) => {
      storage.offset = this.persistentEnd + packed.offsets[i];
    });
    const calls = this.steps.map((node, i) => {
      const offset = this.persistentEnd + packed.offsets[lifetimes.length + i];
      const call = this.call(node, { offset, bytes: scratch[i] }, i);
      const algorithm = scratchBytes.algorithm?.(call);
      return algorithm === undefined ? call : { ...call, algorithm };
    });
    const timeline = this.timeline(intervals);
    return {
      calls,
      arenaBytes: this.persistentEnd + packed.bytes,
      persistentBytes: this.persistentEnd,
      slots: this.slots(),
      flatParams: this.flatParams,
      parameters: this.graph.params.reduce((sum, param) => sum + sizeOf(param.shape), 0),
      timeline,
      peak: timeline.reduce((a, b) => (b.bytes > a.bytes ? b : a)),
    };
  }

  placement({ calls, arenaBytes, persistentBytes }: Plan): Placement {
    const values = new Map(
      [...this.placed.flatMap(({ inputs, outputs }) => [...valuesOf(inputs), ...valuesOf(outputs)])]
        .concat(this.graph.params, this.graph.states, this.graph.inputs)
        .map((value) => [value.id, value]),
    );
    return {
      graph: this.graph,
      nodes: this.placed,
      places: new Map([...values].map(([id, value]) => [id, this.ref(value)])),
      scratch: new Map(this.steps.map(({ id }, i) => [id, calls[i].scratch])),
      kept: [...this.kept.values()],
      joined: new Map(
        [...this.joined.values()].map(({ pair }) => [this.steps[pair[0]], this.steps[pair[1]]]),
      ),
      consumed: this.consumed,
      arenaBytes,
      persistentBytes,
    };
  }

  /** Finds steps that the backend runs as one kernel. */
  private join({ joins }: ScratchRule): void {
    if (!joins) return;
    const pairs = joinedSteps(this.steps, {
      joins: (first, second) => joins(this.call(first), this.call(second)),
      isAlone: (value) => {
        const { storage } = this.placeOf(value);
        return !storage.persistent && storage.values.length === 1 && storage.channels === value.shape[3];
      },
      overlap: (a, b) => {
        const [p, q] = [this.placeOf(a), this.placeOf(b)];
        const apart = p.channel + a.shape[3] <= q.channel || q.channel + b.shape[3] <= p.channel;
        return p.storage === q.storage && !apart;
      },
      isOutput: ({ id }) => this.lastUse.get(id) === Number.POSITIVE_INFINITY,
    });
    for (const pair of pairs) {
      const between = this.placeOf(valuesOf(this.steps[pair[0]].outputs)[0]).storage;
      for (const step of pair) this.joined.set(step, { pair, between });
    }
  }

  /** Memory that outlives a run for what the backend makes of constants. */
  private keep({ kept }: ScratchRule): void {
    for (const node of kept ? this.steps : []) {
      const bytes = kept!(this.call(node));
      if (bytes === 0) continue;
      this.kept.set(node, { offset: this.persistentEnd, bytes });
      this.persistentEnd = alignUp(this.persistentEnd + bytes, this.align);
    }
  }

  private call(node: Node, scratch: Call['scratch'] = { offset: 0, bytes: 0 }, at = -1): Call {
    const refs = (record: object) =>
      Object.fromEntries(
        Object.entries(record)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, this.ref(value)]),
      );
    const definition = opOf(node);
    const pair = this.joined.get(at)?.pair;
    return {
      op: node.op,
      label: node.label,
      phase: node.phase,
      inputs: refs(node.inputs),
      outputs: refs(node.outputs),
      attrs: node.attrs,
      scratch,
      constants: this.constants(node),
      ...(this.kept.has(node) ? { kept: this.kept.get(node) } : {}),
      ...(pair ? { joined: pair[0] === at ? 'next' : 'previous' } : {}),
      flops: definition.flops({ inputs: node.inputs, outputs: node.outputs, attrs: node.attrs }),
    } as unknown as Call;
  }

  private constants(node: Node): string[] {
    const roles = this.graph.gradients.size > 0 ? ['constant'] : ['constant', 'param'];
    return Object.entries(node.inputs).flatMap(([name, value]) =>
      value && roles.includes(value.role) ? [name] : [],
    );
  }

  private timeline(intervals: readonly { bytes: number; start: number; end: number }[]): MemoryPoint[] {
    const change = new Float64Array(this.steps.length + 1);
    for (const { bytes, start, end } of intervals) {
      change[start] += bytes;
      change[end + 1] -= bytes;
    }
    let live = this.persistentEnd;
    return this.steps.map((node, i) => {
      live += change[i];
      return { label: node.label, phase: node.phase, bytes: live };
    });
  }

  private slots(): Record<string, Slot> {
    const { graph } = this;
    const named: [string, Value, Slot['role']][] = [
      ...graph.params.map((value): [string, Value, Slot['role']] => [value.name, value, 'param']),
      ...graph.states.map((value): [string, Value, Slot['role']] => [value.name, value, roleOfState(value)]),
      ...graph.inputs.map((value): [string, Value, Slot['role']] => [value.name, value, 'input']),
      ...Object.entries(graph.outputs).map(([name, value]): [string, Value, Slot['role']] => [
        name,
        value,
        'output',
      ]),
      ...graph.params
        .filter((param) => graph.gradients.has(param.id))
        .map((param): [string, Value, Slot['role']] => [
          `${param.name}.grad`,
          graph.gradients.get(param.id)!,
          'output',
        ]),
    ];
    if (graph.flat) {
      named.push(['params', graph.flat.params, 'param'], ['grads', graph.flat.grads, 'output']);
      if (graph.flat.states) named.push(['states', graph.flat.states, 'state']);
    }
    return Object.fromEntries(
      named.map(([name, value, role]) => {
        const initial = graph.initial.get(value.id);
        return [name, { ...this.ref(value), role, ...(initial ? { initial } : {}) }];
      }),
    );
  }
}
