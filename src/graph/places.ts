import type { Graph, Node } from '../ir/graph.js';
import { valuesOf } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { bytesOf, elementBytes, sizeOf } from '../ir/value.js';
import type { AnyOp } from '../ops/index.js';
import { opOf } from '../ops/index.js';
import { makeNode } from './node.js';
import type { TensorRef } from './planned.js';

/** Start of whole tensors: a cache line; with f16, what GPUs bind memory at, so that a binding holds one type. */
const ALIGN = 64;
const HALF_ALIGN = 256;
/** Start of each parameter within the flat region: one SIMD vector. */
const PARAM_ALIGN_ELEMENTS = 4;

export const alignUp = (value: number, to: number): number => Math.ceil(value / to) * to;

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
export interface Storage {
  pixels: number;
  channels: number;
  bytes: number;
  persistent: boolean;
  /** Set for persistent storages at once, for the others by packing. */
  offset: number;
  values: Value[];
}

export interface Place {
  storage: Storage;
  channel: number;
}

/**
 * Which values share a block of memory: views and in-place updates do, so do the parts of a concatenation and the whole.
 * What outlives a run has its offset at once, for the others liveness decides later.
 */
export class Places {
  /** The nodes that become calls, with the copies that views need. */
  readonly steps: Node[] = [];
  /** The same with the views, which read those copies. */
  readonly placed: Node[] = [];
  readonly flatParams: { offset: number; length: number };
  /** What blocks start at multiples of. */
  readonly align: number;
  private readonly places = new Map<number, Place>();
  private readonly lastUse = new Map<number, number>();
  private persistentEnd = 0;

  /** @param consumed names of inputs whose memory serves other values once they were read. */
  constructor(graph: Graph, consumed: readonly string[]) {
    const { nodes } = graph;
    this.align = hasHalf(graph) ? HALF_ALIGN : ALIGN;
    nodes.forEach((node, i) => {
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
    nodes.forEach((node, i) => {
      this.visit(node, i);
    });
  }

  /** Bytes that outlive a run, so far. */
  get persistentBytes(): number {
    return this.persistentEnd;
  }

  /** Takes memory that outlives a run. @returns its offset. */
  reserve(bytes: number): number {
    const offset = this.persistentEnd;
    this.persistentEnd = alignUp(offset + bytes, this.align);
    return offset;
  }

  /** True for what the caller reads after a run. */
  isOutput({ id }: Value): boolean {
    return this.lastUse.get(id) === Number.POSITIVE_INFINITY;
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
    storage.offset = this.reserve(storage.bytes);
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

  /** @throws Error for a value that nothing has written yet. */
  placeOf(value: Value): Place {
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
      const over = definition.inPlace?.[name]?.find((input) => {
        const target = inputs[input];
        return target && !taken.has(input) && this.mayOverwrite(node, output, target, at, definition);
      });
      if (over) {
        const place = this.placeOf(inputs[over]!);
        this.assign(output, place.storage, place.channel);
        taken.add(over);
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

  /** Where a value lies, once all storages have their offsets. */
  ref(value: Value): TensorRef {
    const { storage, channel } = this.placeOf(value);
    return {
      name: value.name,
      dtype: value.dtype,
      shape: value.shape,
      offset: storage.offset + elementBytes[value.dtype] * channel,
      pixelStride: storage.channels,
    };
  }
}
