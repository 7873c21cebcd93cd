import type { TensorRef } from '../../graph/planned.js';
import { elementBytes } from '../../ir/value.js';

/** What a storage binding is an array of: `u32` where types mix, or for bytes. */
export type WindowType = 'vec4f' | 'vec4h' | 'f32' | 'u32';

/** Bytes of one element of the array. */
export const unitBytes: Readonly<Record<WindowType, number>> = { vec4f: 16, vec4h: 8, f32: 4, u32: 4 };

/** What the adapter allows, as far as the arena is concerned. */
export interface MemoryLimits {
  /** Bytes of each buffer of the arena; the last may be shorter. A multiple of 256. */
  readonly bufferBytes: number;
  /** Bytes of one binding at most. */
  readonly bindingBytes: number;
  /** Multiple that bindings start at. */
  readonly alignment: number;
  /** Storage bindings per shader at most. */
  readonly bindings: number;
}

/** One storage binding: bytes `[offset, offset + size)` of buffer `buffer`. */
export interface Piece {
  readonly buffer: number;
  readonly offset: number;
  readonly size: number;
}

/** A stretch of the arena that a shader sees as one array, made of one binding or of several in a row. */
export interface Window {
  /** Bytes from the arena's start. */
  readonly begin: number;
  readonly end: number;
  readonly type: WindowType;
  /** In order of address; the first `piece.size` bytes lie in the first one, and so on. */
  readonly pieces: readonly Piece[];
}

/** A tensor as one dispatch uses it. */
export interface Use {
  readonly ref: TensorRef;
  /** True where every access is four neighbours from a multiple of four. */
  readonly vector: boolean;
}

/** Bytes from a tensor's first element to the end of its last. */
export function spanOf({ shape: [n, h, w, c], pixelStride, dtype }: TensorRef): number {
  return ((n * h * w - 1) * pixelStride + c) * elementBytes[dtype];
}

interface Range {
  begin: number;
  end: number;
  type: WindowType;
}

/** Tensors of f16 always come in whole groups of four channels: see `graph/half.ts`. */
const typeOf = ({ ref, vector }: Use): WindowType =>
  ref.dtype === 'u8'
    ? 'u32'
    : ref.dtype === 'f16'
      ? 'vec4h'
      : vector && ref.offset % 16 === 0 && ref.pixelStride % 4 === 0
        ? 'vec4f'
        : 'f32';

const join = (a: WindowType, b: WindowType): WindowType =>
  a === b ? a : [a, b].every((type) => type === 'f32' || type === 'vec4f') ? 'f32' : 'u32';

/**
 * Cuts the arena into what one dispatch binds. WebGPU forbids two bindings that overlap where one is writable, so
 * tensors whose aligned ranges touch (views of one tensor, in-place outputs) share a window; where there are still
 * more than the adapter binds, the nearest are joined. Throws `RangeError` where that is not enough.
 */
export function windowsOf(uses: readonly Use[], limits: MemoryLimits, arenaBytes: number): Window[] {
  const ranges: Range[] = [];
  const sorted = uses
    .map((use) => ({
      begin: Math.floor(use.ref.offset / limits.alignment) * limits.alignment,
      end: Math.min(arenaBytes, Math.ceil((use.ref.offset + spanOf(use.ref)) / 16) * 16),
      type: typeOf(use),
    }))
    .sort((a, b) => a.begin - b.begin);
  for (const range of sorted) {
    const last = ranges.at(-1);
    if (last && range.begin < last.end) {
      last.end = Math.max(last.end, range.end);
      last.type = join(last.type, range.type);
    } else {
      ranges.push({ ...range });
    }
  }
  const piecesOf = ({ begin, end }: Range): Piece[] => {
    const pieces: Piece[] = [];
    for (let at = begin; at < end; ) {
      const buffer = Math.floor(at / limits.bufferBytes);
      const stop = Math.min(end, (buffer + 1) * limits.bufferBytes, at + limits.bindingBytes);
      pieces.push({ buffer, offset: at - buffer * limits.bufferBytes, size: stop - at });
      at = stop;
    }
    return pieces;
  };
  const count = () => ranges.reduce((sum, range) => sum + piecesOf(range).length, 0);
  while (count() > limits.bindings) {
    let best = -1;
    let bestCost = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < ranges.length; i++) {
      const cost = ranges[i + 1].end - ranges[i].begin;
      if (cost > limits.bindingBytes || cost >= bestCost) continue;
      best = i;
      bestCost = cost;
    }
    if (best < 0)
      throw new RangeError(`needs ${count()} storage bindings, the adapter has ${limits.bindings}`);
    const [a, b] = ranges.splice(best, 2);
    ranges.splice(best, 0, { begin: a.begin, end: b.end, type: join(a.type, b.type) });
  }
  // In the order of the tensors, not of their addresses: calls of one shape then share a shader.
  const firstUse = ({ begin, end }: Range) =>
    uses.findIndex(({ ref }) => ref.offset >= begin && ref.offset < end);
  ranges.sort((a, b) => firstUse(a) - firstUse(b));
  return ranges.map((range) => ({ ...range, pieces: piecesOf(range) }));
}
