/** Where the taps of a convolution read its input, as the kernels' tables (see `kernels/conv/input.ts`). */

import type { Placed, TensorRef } from '../../../graph/planned.js';
import { elementBytes } from '../../../ir/value.js';
import type { ConvAttrs } from '../../../ops/conv.js';
import type { Prologue } from '../../../ops/op.js';
import type { Word } from '../stage.js';
import { f32, pointer } from '../stage.js';

/** An output at `o` reads the input at `o·stride + [y, x]`. */
export interface Tap {
  readonly y: number;
  readonly x: number;
}

export const quadsOf = (channels: number): number => Math.ceil(channels / 4);

/** Pixels of one plane of products: `planeBytes / 16` in `kernels/conv/gemm.ts`. */
const mostPixels = 312;
export const planeBytes = 16 * mostPixels;
/** Packed input that stays in a first-level cache beside the products. */
const packedBytes = 32768;
/** Pixels that a register tile may read past the end. */
const overread = 12;

/** Input pixels that overlapping taps share: `count + extra` pixels, the first at `o·stride + [y, x]`. */
interface Slot {
  readonly y: number;
  readonly x: number;
  extra: number;
}

export interface WindowPlan {
  /** Output pixels packed at a time. */
  readonly block: number;
  /** Bytes of packed input. */
  readonly bytes: number;
  /** `Window` of the kernels, its table at `tableAt` words from the start of the arguments. */
  words(tableAt: number): number[];
  /** `[y, x, extra]` per slot. */
  readonly slotTable: readonly number[];
  /** Address of each tap's each input quad, relative to the packed input. */
  readonly planeTable: readonly number[];
}

export function planWindow(
  taps: readonly Tap[],
  stride: readonly [number, number],
  channels: number,
  columns: number,
): WindowPlan {
  const quads = quadsOf(channels);
  const lines = new Set(taps.map(({ y }) => y)).size;
  const fitting = Math.floor(packedBytes / (16 * quads * Math.max(1, lines)) / 12) * 12;
  const most = Math.min(mostPixels, Math.max(48, fitting));
  const block = 12 * Math.ceil(columns / Math.ceil(columns / most) / 12);

  const slots: Slot[] = [];
  const slotOfTap = new Map<Tap, Slot>();
  for (const tap of [...taps].sort((a, b) => a.x - b.x)) {
    const near = (slot: Slot) =>
      slot.y === tap.y &&
      (tap.x - slot.x) % stride[1] === 0 &&
      (tap.x - slot.x) / stride[1] < block + slot.extra;
    let slot = slots.find(near);
    if (!slot) {
      slot = { ...tap, extra: 0 };
      slots.push(slot);
    }
    slot.extra = (tap.x - slot.x) / stride[1];
    slotOfTap.set(tap, slot);
  }
  const plane = 16 * (block + overread + slots.reduce((most, { extra }) => Math.max(most, extra), 0));
  const planeTable = taps.flatMap((tap) => {
    const slot = slotOfTap.get(tap)!;
    const at = slots.indexOf(slot) * quads * plane + (16 * (tap.x - slot.x)) / stride[1];
    return Array.from({ length: quads }, (_, quad) => at + quad * plane);
  });
  return {
    block,
    bytes: slots.length * quads * plane,
    words: (tableAt) => [...stride, slots.length, 4 * tableAt, plane],
    slotTable: slots.flatMap(({ y, x, extra }) => [y, x, extra]),
    planeTable,
  };
}

/** Words of `Input`. */
export const inputWords = 12;
export const windowWords = 5;
export const outputWords = 11;

/** `Input` of the kernels; `normalizeAt`: where in the arguments the table of a u8 image begins, in words. */
export function inputArgs(
  ref: TensorRef,
  groups: number,
  prologue: Placed<Prologue> = {},
  normalizeAt = 0,
): number[] {
  const [, height, width, channels] = ref.shape;
  const pixel = ref.pixelStride * elementBytes[ref.dtype];
  return [
    pointer(ref),
    ...[height * width * pixel, width * pixel, pixel],
    ...[height, width, channels / groups],
    ...[4 * normalizeAt, normalizeAt ? channels : 0],
    ...[pointer(prologue.preScale), pointer(prologue.preShift), pointer(prologue.preSlope)],
  ];
}

/** `[scale…, shift…]` that turn a u8 into what the convolution sees. */
export const normalizeTable = (normalize: ConvAttrs['normalize']): Word[] =>
  normalize
    ? [
        ...normalize.std.map((std) => f32(1 / (255 * std))),
        ...normalize.mean.map((mean, c) => f32(-mean / normalize.std[c])),
      ]
    : [];
