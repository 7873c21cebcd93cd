/** Winograd F(4, 3) along one direction, and F(3, 4) for the weight gradient: `kernels/convWinograd.ts`. */
import type { Placed, TensorRef } from '../../graph/planned.js';
import type { ConvAttrs, Prologue } from '../../ops/conv.js';
import type { DirectConv } from './convDirect.js';
import { outputArgs } from './convDirect.js';
import { inputArgs, planeBytes, quadsOf } from './convWindow.js';
import type { Pieces, Stage } from './lower.js';
import { cut, pointer } from './lower.js';

/** Outputs of a tile, and multiplications per pair of channels. */
const tileOutputs = 4;
const coefficients = 6;
/** As in `kernels/convTiles.ts`. */
const tilesPerBlock = 48;
const tileWords = 15;
/** Below these channels the transforms cost more than the multiplications they save. */
const leastChannels = 16;
/** Computed outputs per real one, at most: tiles cover `4·dilation` outputs. */
const mostWaste = 1.5;

/** Three taps in one direction: `axis` 0 below each other, 1 side by side. */
export interface WinogradForm {
  readonly axis: 0 | 1;
  readonly dilation: number;
  /** Zeros before the first input along the axis. */
  readonly padding: number;
}

/** The form of a convolution to outputs of height and width `size`, or undefined where the direct one is to be used. */
export function winogradForm(
  kernel: readonly [number, number],
  attrs: ConvAttrs,
  channels: readonly [number, number],
  size: readonly [number, number],
  prologue: Placed<Prologue> = {},
): WinogradForm | undefined {
  const { stride, padding, dilation, groups, normalize } = attrs;
  const axis = kernel[0] === 3 ? 0 : 1;
  const other = 1 - axis;
  const fits =
    kernel[axis] === 3 &&
    kernel[other] === 1 &&
    padding[other] === 0 &&
    Math.max(...stride) === 1 &&
    groups === 1 &&
    Math.min(...channels) >= leastChannels;
  if (!fits || normalize || prologue.preScale) return undefined;
  const computed = tileOutputs * tilesAlong(size[axis], dilation[axis]);
  if (computed > mostWaste * size[axis]) return undefined;
  return { axis, dilation: dilation[axis], padding: padding[axis] };
}

const tilesAlong = (length: number, dilation: number): number =>
  dilation * Math.ceil(length / (tileOutputs * dilation));

/** Bytes of transformed weights, and of one chunk's sums of their gradient. */
export const winogradBytes = (inputs: number, outputs: number): number =>
  coefficients * 64 * quadsOf(inputs) * quadsOf(outputs);

/** Tiles that cover `y`, cut into chunks of whole blocks. */
function winogradPieces(form: WinogradForm, y: TensorRef, leastBlocks: number, most: number): Pieces {
  const { per } = cut(Math.ceil(totalTiles(form, y) / tilesPerBlock), leastBlocks, most);
  return { per: per * tilesPerBlock, chunks: Math.ceil(totalTiles(form, y) / (per * tilesPerBlock)) };
}

const totalTiles = ({ axis, dilation }: WinogradForm, y: TensorRef): number =>
  y.shape[0] * y.shape[2 - axis] * tilesAlong(y.shape[1 + axis], dilation);

interface Channels {
  readonly inputs: number;
  readonly outputs: number;
}

/** Stages that share the words of `Tiles`: `head` comes before them; `weights`, `weightBytes` as the kernel says. */
function tileStage(
  kernel: string,
  head: readonly number[],
  form: WinogradForm,
  y: TensorRef,
  { per, chunks }: Pieces,
  { inputs, outputs }: Channels,
  weights: readonly [address: number, bytes: number],
): Stage {
  const { axis, dilation, padding } = form;
  const length = y.shape[1 + axis];
  const onesAt = 16 * Math.max(quadsOf(inputs), quadsOf(outputs));
  const placesAt = 2 * onesAt;
  const inputsAt = placesAt + 16 * tilesPerBlock;
  const productsAt = inputsAt + quadsOf(inputs) * planeBytes;
  return {
    kernel,
    chunks,
    localBytes: productsAt + quadsOf(outputs) * planeBytes,
    args: [
      ...head,
      ...[1 - axis, dilation, padding, length, tilesAlong(length, dilation), y.shape[2 - axis]],
      ...[totalTiles(form, y), per, ...weights],
      ...[onesAt, placesAt, inputsAt, productsAt, 4 * (head.length + tileWords)],
      ...Array.from({ length: quadsOf(inputs) }, (_, quad) => quad * planeBytes),
    ],
  };
}

/** Floating-point operations, of the direct form, worth taking a chunk for. */
const leastFlops = 4e6;
const mostChunks = 128;
const flopsPerBlock = ({ inputs, outputs }: Channels): number =>
  2 * 3 * tileOutputs * tilesPerBlock * inputs * outputs;

/**
 * Stages of a convolution that has the form; `packed`: address for `winogradBytes`. `taps`: indices in the weight
 * tensor of the first tap, and the way to the next (−1 where the kernel is flipped).
 */
export function winogradStages(
  form: WinogradForm,
  conv: Pick<DirectConv, 'x' | 'prologue' | 'y' | 'bias' | 'slope' | 'residual' | 'steps'>,
  taps: readonly [first: number, step: number],
  packed: number,
): Stage[] {
  const { x, prologue, y, steps } = conv;
  const { inputs, outputs, inputStep, outputStep, weight } = steps;
  const bytes = winogradBytes(inputs, outputs);
  const tapBytes = 4 * inputs * outputs;
  const head = [
    ...inputArgs(x, 1, prologue),
    ...outputArgs({ ...conv, origin: [0, 0], step: [1, 1], groups: 1 }),
  ];
  const pieces = winogradPieces(form, y, leastFlops / flopsPerBlock(steps), mostChunks);
  return [
    {
      kernel: 'convPackWinograd',
      chunks: Math.ceil(outputs / 12),
      args: [
        ...[pointer(weight) + taps[0] * tapBytes, taps[1] * tapBytes, 4 * inputStep, 4 * outputStep],
        ...[inputs, outputs, packed, bytes / coefficients],
      ],
    },
    tileStage('convWinograd', head, form, y, pieces, steps, [packed, bytes / coefficients]),
  ];
}

/** Chunks of a weight gradient; the partial sums of `mostBytes` bound their number. */
export function winogradGradPieces(
  form: WinogradForm,
  gy: TensorRef,
  channels: Channels,
  mostBytes: number,
): Pieces {
  const most = Math.max(1, Math.floor(mostBytes / winogradBytes(channels.inputs, channels.outputs)));
  return winogradPieces(form, gy, leastFlops / flopsPerBlock(channels), Math.min(32, most));
}

/** Stages of a weight gradient that has the form; `partials`: address for `winogradBytes` per chunk. */
export function winogradGradStages(
  form: WinogradForm,
  pieces: Pieces,
  { x, gy, ...prologue }: { readonly x: TensorRef; readonly gy: TensorRef } & Placed<Prologue>,
  gweight: TensorRef,
  partials: number,
): Stage[] {
  const [, , inputs, outputs] = gweight.shape;
  const channels = { inputs, outputs };
  const bytes = winogradBytes(inputs, outputs);
  const head = [...inputArgs(x, 1, prologue), ...inputArgs(gy, 1)];
  return [
    tileStage('convGradWeightWinograd', head, form, gy, pieces, channels, [partials, bytes]),
    {
      kernel: 'convReduceWinograd',
      chunks: inputs,
      args: [partials, bytes, pieces.chunks, inputs, outputs, pointer(gweight)],
    },
  ];
}
