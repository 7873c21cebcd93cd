import { verifyPlacement } from '#verify';
import type { Graph, Node } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { opOf } from '../ops/index.js';
import { packIntervals } from './arena.js';
import { joinedSteps } from './join.js';
import { debugging } from './passes.js';
import type { Storage } from './places.js';
import { alignUp, Places } from './places.js';
import type { Call, MemoryPoint, Plan, ScratchRule, Slot } from './planned.js';
import type { Placement } from './verifyPlacement.js';

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
  private readonly places: Places;
  private readonly steps: readonly Node[];
  /** For a step that runs as one kernel with another: the two, and what lies between, which has no memory. */
  private readonly joined = new Map<
    number,
    { readonly pair: readonly [number, number]; between?: Storage }
  >();
  /** What the backend keeps for a step between runs. */
  private readonly kept = new Map<Node, { offset: number; bytes: number }>();

  constructor(
    private readonly graph: Graph,
    private readonly consumed: readonly string[],
  ) {
    this.places = new Places(graph, consumed);
    this.steps = this.places.steps;
  }

  /** First and last step at which each transient storage holds something. */
  private lifetimes(): { storage: Storage; start: number; end: number }[] {
    const start = new Map<Storage, number>();
    const end = new Map<Storage, number>();
    for (const value of this.graph.inputs) {
      if (this.consumed.includes(value.name)) start.set(this.places.placeOf(value).storage, 0);
    }
    this.steps.forEach((node, i) => {
      const [first, last] = this.joined.get(i)?.pair ?? [i, i];
      for (const value of valuesOf(node.outputs)) {
        const { storage } = this.places.placeOf(value);
        if (!start.has(storage)) start.set(storage, first);
        end.set(storage, Math.max(end.get(storage) ?? 0, last));
      }
      for (const value of valuesOf(node.inputs)) {
        const { storage } = this.places.placeOf(value);
        end.set(storage, Math.max(end.get(storage) ?? 0, last));
      }
    });
    for (const value of Object.values(this.graph.outputs)) {
      end.set(this.places.placeOf(value).storage, this.steps.length - 1);
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
    const scratch = this.steps.map((node, i) => scratchBytes(this.call(node, undefined, i), this.partner(i)));
    const intervals = [
      ...lifetimes.map(({ storage, start, end }) => ({
        bytes: alignUp(storage.bytes, this.places.align),
        start,
        end,
      })),
      ...scratch.map((bytes, i) => {
        const [start, end] = this.joined.get(i)?.pair ?? [i, i];
        return { bytes: alignUp(bytes, this.places.align), start, end };
      }),
    ];
    const packed = packIntervals(intervals);
    lifetimes.forEach(({ storage }, i) => {
      storage.offset = this.places.persistentBytes + packed.offsets[i];
    });
    const calls = this.steps.map((node, i) => {
      const offset = this.places.persistentBytes + packed.offsets[lifetimes.length + i];
      const call = this.call(node, { offset, bytes: scratch[i] }, i);
      const algorithm = scratchBytes.algorithm?.(call, this.partner(i));
      return algorithm === undefined ? call : { ...call, algorithm };
    });
    const timeline = this.timeline(intervals);
    return {
      calls,
      arenaBytes: this.places.persistentBytes + packed.bytes,
      persistentBytes: this.places.persistentBytes,
      slots: this.slots(),
      flatParams: this.places.flatParams,
      parameters: this.graph.params.reduce((sum, param) => sum + sizeOf(param.shape), 0),
      timeline,
      peak: timeline.reduce((a, b) => (b.bytes > a.bytes ? b : a)),
    };
  }

  placement({ calls, arenaBytes, persistentBytes }: Plan): Placement {
    const values = new Map(
      [...this.places.placed.flatMap(({ inputs, outputs }) => [...valuesOf(inputs), ...valuesOf(outputs)])]
        .concat(this.graph.params, this.graph.states, this.graph.inputs)
        .map((value) => [value.id, value]),
    );
    return {
      graph: this.graph,
      nodes: this.places.placed,
      places: new Map([...values].map(([id, value]) => [id, this.places.ref(value)])),
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
        const { storage } = this.places.placeOf(value);
        return !storage.persistent && storage.values.length === 1 && storage.channels === value.shape[3];
      },
      overlap: (a, b) => {
        const [p, q] = [this.places.placeOf(a), this.places.placeOf(b)];
        const apart = p.channel + a.shape[3] <= q.channel || q.channel + b.shape[3] <= p.channel;
        return p.storage === q.storage && !apart;
      },
      isOutput: (value) => this.places.isOutput(value),
    });
    for (const { first, second, between } of pairs) {
      const storage = between && this.places.placeOf(between).storage;
      for (const step of [first, second]) this.joined.set(step, { pair: [first, second], between: storage });
    }
  }

  /** Memory that outlives a run for what the backend makes of constants. */
  private keep({ kept }: ScratchRule): void {
    for (const [i, node] of kept ? this.steps.entries() : []) {
      const bytes = kept!(this.call(node, undefined, i), this.partner(i));
      if (bytes === 0) continue;
      this.kept.set(node, { offset: this.places.reserve(bytes), bytes });
    }
  }

  private call(node: Node, scratch: Call['scratch'] = { offset: 0, bytes: 0 }, at = -1): Call {
    const refs = (record: object) =>
      Object.fromEntries(
        Object.entries(record)
          .filter(([, value]) => value !== undefined)
          .map(([name, value]) => [name, this.places.ref(value)]),
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

  /** The other call of the two that step `at` is one of. */
  private partner(at: number): Call | undefined {
    const pair = this.joined.get(at)?.pair;
    if (!pair) return undefined;
    const other = pair[0] === at ? pair[1] : pair[0];
    return this.call(this.steps[other], undefined, other);
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
    let live = this.places.persistentBytes;
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
        return [name, { ...this.places.ref(value), role, ...(initial ? { initial } : {}) }];
      }),
    );
  }
}
