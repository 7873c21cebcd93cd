import type { Call, CallFor, TensorRef } from '../../graph/planned.js';
import { elementBytes } from '../../ir/value.js';
import type { KernelName } from '../../ops/index.js';
import { roundToHalf } from './half.js';

/** The memory of a plan: every f32 and f16 element is a float64 here, at index `byte offset / 4` or `/ 2`. */
export interface Arena {
  readonly floats: Float64Array;
  /** Empty in plans without f16. */
  readonly halves: Float64Array;
  readonly bytes: Uint8Array;
}

/** Computes the outputs of one call from its inputs. */
export type ReferenceKernel<K extends KernelName> = (call: CallFor<K>, arena: Arena) => void;

/** A tensor in the arena: `data[at(n, y, x) + c]`. */
export class View {
  readonly data: Float64Array | Uint8Array;
  readonly n: number;
  readonly h: number;
  readonly w: number;
  readonly c: number;
  /** Pixels of all images. */
  readonly pixels: number;
  private readonly first: number;
  private readonly pixelStride: number;

  constructor(arena: Arena, ref: TensorRef) {
    [this.n, this.h, this.w, this.c] = ref.shape;
    this.pixels = this.n * this.h * this.w;
    this.data = { f32: arena.floats, f16: arena.halves, u8: arena.bytes }[ref.dtype];
    this.first = ref.offset / elementBytes[ref.dtype];
    this.pixelStride = ref.pixelStride;
  }

  /** Index of channel 0 of a pixel. */
  at(n: number, y: number, x: number): number {
    return this.pixel((n * this.h + y) * this.w + x);
  }

  /** The same by the pixel's number over all images. */
  pixel(index: number): number {
    return this.first + index * this.pixelStride;
  }

  /** Index of an element by its dense number. */
  element(index: number): number {
    return this.pixel(Math.floor(index / this.c)) + (index % this.c);
  }

  fill(value: number): void {
    for (let p = 0; p < this.pixels; p++) {
      const at = this.pixel(p);
      this.data.fill(value, at, at + this.c);
    }
  }

  /** A dense copy in float64. */
  dense(): Float64Array {
    const { data, c, first, pixels } = this;
    if (this.pixelStride === c) return new Float64Array(data.subarray(first, first + pixels * c));
    const copy = new Float64Array(pixels * c);
    for (let p = 0; p < pixels; p++) {
      const at = this.pixel(p);
      for (let i = 0; i < c; i++) copy[p * c + i] = data[at + i];
    }
    return copy;
  }

  /** Overwrites elements with dense values, by default all of them. @param from dense number of the first. */
  assign(values: ArrayLike<number>, from = 0): void {
    if (this.pixelStride === this.c) this.data.set(values, this.first + from);
    else for (let i = 0; i < values.length; i++) this.data[this.element(from + i)] = values[i];
  }
}

/** Rounds what a call has written to what its outputs can hold. */
export function roundOutputs(call: Call, arena: Arena): void {
  for (const ref of Object.values(call.outputs as Readonly<Record<string, TensorRef>>)) {
    if (ref.dtype !== 'f16') continue;
    const view = new View(arena, ref);
    view.assign(view.dense().map(roundToHalf));
  }
}

/** The channels of a `1×1×1×C` tensor, or C times `absent` where there is none. */
export function vectorOf(
  arena: Arena,
  ref: TensorRef | undefined,
  channels: number,
  absent: number,
): Float64Array {
  return ref ? new View(arena, ref).dense() : new Float64Array(channels).fill(absent);
}

/** Sets a gradient to `acc`, or to zero where there is none, before sums are added to it. */
export function startFrom(arena: Arena, gradient: View, acc: TensorRef | undefined): void {
  if (acc) gradient.assign(new View(arena, acc).dense());
  else gradient.fill(0);
}
