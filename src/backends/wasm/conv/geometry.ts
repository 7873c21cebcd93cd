/** Where the taps of a convolution read its input, as the kernels' tables (see `kernels/conv/input.ts`). */

import type { Placed, TensorRef } from '../../../graph/planned.js';
import { elementBytes } from '../../../ir/value.js';
import type { ConvAttrs } from '../../../ops/conv.js';
import { imageCoefficients } from '../../../ops/image.js';
import type { Prologue } from '../../../ops/op.js';
import type { Input, Output, Window } from '../abi.js';
import { planeBytes } from '../abi.js';
import { pointer, pointers } from '../stage.js';

/** An output at `o` reads the input at `o·stride + [y, x]`. */
export interface Tap {
  readonly y: number;
  readonly x: number;
}

/** Indices of the taps of a weight. */
export const tapsOf = ({ shape: [kh, kw] }: TensorRef): { ky: number; kx: number; source: number }[] =>
  Array.from({ length: kh * kw }, (_, source) => ({ ky: Math.floor(source / kw), kx: source % kw, source }));

export const quadsOf = (channels: number): number => Math.ceil(channels / 4);
export const octsOf = (channels: number): number => Math.ceil(channels / 8);

/** Where each quad of channels lies in planes of eight. */
export const quadTable = (channels: number, plane: number): number[] =>
  Array.from({ length: quadsOf(channels) }, (_, quad) => (quad >> 1) * plane + (quad & 1) * 16);

/** Pixels of one plane of products. */
const mostPixels = planeBytes / 32;
/** Packed input that stays in a first-level cache beside the products. */
const packedBytes = 32768;
/** Where inputs are many, products take them in parts: 128 of so many pixels stay in that cache. */
const leastPixels = 72;
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
  readonly args: Window;
  /** Where each tap's each input quad lies in the packed input. */
  readonly table: readonly number[];
}

/** Below so many blocks there is an even number of them, for two threads. */
const fewBlocks = 32;
/** With fewer, a thread waits long for the last of another; below these pixels each, weights are read too often. */
const enoughBlocks = 12;
const enoughPixels = 40;

/** `even`: columns are cut into blocks of all but one size, however many pixels that is. */
export function planWindow(
  taps: readonly Tap[],
  stride: readonly [number, number],
  channels: number,
  columns: number,
  even = false,
): WindowPlan {
  const octs = octsOf(channels);
  const lines = new Set(taps.map(({ y }) => y)).size;
  const fitting = Math.floor(packedBytes / (32 * octs * Math.max(1, lines)) / 12) * 12;
  const most = Math.min(mostPixels, Math.max(leastPixels, fitting));
  const least = Math.ceil(columns / most);
  const worthwhile = 2 * Math.floor(Math.min(enoughBlocks, columns / enoughPixels) / 2);
  const blocks = even && least > 1 && least < fewBlocks ? Math.max(least + (least % 2), worthwhile) : least;
  const unit = even ? 2 : 12;
  const block = unit * Math.ceil(columns / blocks / unit);

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
  const plane = 32 * (block + overread + slots.reduce((most, { extra }) => Math.max(most, extra), 0));
  const table = taps.flatMap((tap) => {
    const slot = slotOfTap.get(tap)!;
    const at = slots.indexOf(slot) * octs * plane + (32 * (tap.x - slot.x)) / stride[1];
    return quadTable(channels, plane).map((quad) => at + quad);
  });
  return {
    block,
    bytes: slots.length * octs * plane,
    args: {
      strideY: stride[0],
      strideX: stride[1],
      slots: slots.length,
      slotTable: slots.flatMap(({ y, x, extra }) => [y, x, extra]),
      plane,
    },
    table,
  };
}

/** A tensor as a convolution reads it. */
export function inputArgs(
  ref: TensorRef,
  groups: number,
  prologue: Placed<Prologue> = {},
  normalize?: ConvAttrs['normalize'],
): Input {
  const [, height, width, channels] = ref.shape;
  const pixel = ref.pixelStride * elementBytes[ref.dtype];
  return {
    ...{ x: pointer(ref), image: height * width * pixel, row: width * pixel, pixel },
    ...{ height, width, channels: channels / groups },
    ...{ normalize: normalizeTable(normalize), normalized: normalize ? channels : 0 },
    ...pointers({ scale: prologue.preScale, shift: prologue.preShift, slope: prologue.preSlope }),
  };
}

/** `[scale…, shift…]` that turn a u8 into what the convolution sees. */
function normalizeTable(normalize: ConvAttrs['normalize']): number[] {
  if (!normalize) return [];
  const { scale, shift } = imageCoefficients(normalize);
  return [...scale, ...shift];
}

/** What a convolution writes, and what it adds to it. */
export interface Epilogue {
  readonly y: TensorRef;
  readonly bias?: TensorRef;
  readonly slope?: TensorRef;
  readonly residual?: TensorRef;
  /** Whether the slope is that of the sum with the residual. */
  readonly activatesSum?: boolean;
}

/** Output `[i, j]` of a grid goes to pixel `origin + [i, j]·step` of `y`. */
export function outputArgs(
  { y, bias, slope, residual, activatesSum }: Epilogue,
  groups = 1,
  origin: readonly [number, number] = [0, 0],
  step: readonly [number, number] = [1, 1],
): Output {
  const [, height, width, channels] = y.shape;
  const place = (ref: TensorRef | undefined) => {
    if (!ref) return { first: 0, image: 0, row: 0, pixel: 0 };
    const pixel = 4 * ref.pixelStride;
    const first = pointer(ref) + (origin[0] * width + origin[1]) * pixel;
    return { first, image: height * width * pixel, row: step[0] * width * pixel, pixel: step[1] * pixel };
  };
  const { first, ...steps } = place(y);
  const added = place(residual);
  return {
    ...{ y: first, ...steps, channels: channels / groups, ...pointers({ bias, slope }) },
    ...{ residual: added.first, residualImage: added.image },
    ...{ residualRow: added.row, residualPixel: added.pixel, activatesSum: Number(activatesSum ?? false) },
  };
}
