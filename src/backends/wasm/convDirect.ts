/** Direct convolution, forward and with respect to the input: `kernels/conv.ts`. */
import type { Placed, TensorRef } from '../../graph/planned.js';
import type { ConvAttrs, Prologue } from '../../ops/conv.js';
import type { Tap } from './convWindow.js';
import {
  inputArgs,
  inputWords,
  normalizeTable,
  outputWords,
  planeBytes,
  planWindow,
  quadsOf,
  windowWords,
} from './convWindow.js';
import type { Stage } from './lower.js';
import { cut, pointer } from './lower.js';

/** How the kernels find the weight from one input to one output of a group: steps in elements. */
export interface WeightSteps {
  readonly weight: TensorRef;
  readonly inputs: number;
  readonly outputs: number;
  readonly inputStep: number;
  readonly outputStep: number;
  readonly groupStep: number;
}

/** Cross-correlation of `x`: output `[i, j]` of the grid goes to pixel `origin + [i, j]·step` of `y`. */
export interface DirectConv {
  readonly x: TensorRef;
  readonly prologue?: Placed<Prologue>;
  readonly normalize?: ConvAttrs['normalize'];
  readonly stride: readonly [number, number];
  /** `source`: index in the weight tensor. */
  readonly taps: readonly (Tap & { readonly source: number })[];
  readonly steps: WeightSteps;
  readonly groups: number;
  readonly y: TensorRef;
  readonly origin: readonly [number, number];
  readonly step: readonly [number, number];
  readonly bias?: TensorRef;
  readonly slope?: TensorRef;
  readonly residual?: TensorRef;
}

/** Bytes of packed weights. */
export const packedWeightBytes = ({ inputs, outputs }: WeightSteps, groups: number, taps: number): number =>
  64 * groups * taps * quadsOf(inputs) * quadsOf(outputs);

/** Floating-point operations worth taking a chunk for. */
const leastFlops = 2e6;
const mostChunks = 128;

/** Stages of a direct convolution; `packed`: address for `packedWeightBytes`. */
export function directStages(all: DirectConv, packed: number): Stage[] {
  const { x, y, groups, steps, stride, origin, step } = all;
  const rows = Math.ceil((y.shape[1] - origin[0]) / step[0]);
  const columns = Math.ceil((y.shape[2] - origin[1]) / step[1]);
  if (rows < 1 || columns < 1) return [];
  // A dilation as large as a small feature map leaves taps that meet nothing but padding.
  const taps = all.taps.filter(
    (tap) =>
      tap.y < x.shape[1] &&
      tap.y + (rows - 1) * stride[0] >= 0 &&
      tap.x < x.shape[2] &&
      tap.x + (columns - 1) * stride[1] >= 0,
  );
  const conv = { ...all, taps };
  if (isPoint(conv, rows, columns)) return [packStage(conv, packed), pointStage(conv, rows, columns, packed)];
  const groupBytes = packedWeightBytes(steps, 1, taps.length);
  const window = planWindow(taps, stride, steps.inputs, columns);
  const flopsPerRow = 2 * columns * taps.length * steps.inputs * steps.outputs;
  const totalRows = x.shape[0] * rows;
  const { per, chunks } = cut(
    totalRows,
    leastFlops / (flopsPerRow + 8 * columns * steps.outputs),
    mostChunks,
  );

  const gridAt = inputWords + windowWords + outputWords;
  const slotsAt = gridAt + 11;
  const planesAt = slotsAt + window.slotTable.length;
  const normalizeAt = planesAt + window.planeTable.length;
  const table = normalizeTable(conv.normalize);
  const main: Stage = {
    kernel: 'convDirect',
    chunks: chunks * groups,
    localBytes: window.bytes + quadsOf(steps.outputs) * planeBytes + planeBytes,
    args: [
      ...inputArgs(x, groups, conv.prologue, conv.normalize ? normalizeAt : 0),
      ...window.words(slotsAt),
      ...outputArgs(conv),
      ...[rows, columns, window.block, totalRows, per, chunks, packed, groupBytes],
      ...[window.planeTable.length, 4 * planesAt, window.bytes],
      ...window.slotTable,
      ...window.planeTable,
      ...table,
    ],
  };
  if (taps.length === 0) return [main];
  return [packStage(conv, packed), main];
}

/** Weights to `packed`, block by block of 12 outputs. */
function packStage({ groups, taps, steps }: DirectConv, packed: number): Stage {
  const blocks = Math.ceil(steps.outputs / 12);
  const tapElements = steps.inputs * steps.outputs * groups;
  return {
    kernel: 'convPackWeights',
    chunks: groups * blocks,
    args: [
      ...[pointer(steps.weight), packed, steps.inputs, steps.outputs],
      ...[4 * steps.inputStep, 4 * steps.outputStep, 4 * steps.groupStep],
      ...[blocks, packedWeightBytes(steps, 1, taps.length), taps.length],
      ...taps.map(({ source }) => pointer(steps.weight) + 4 * source * tapElements),
    ],
  };
}

/** Whether every output is the product of one pixel, as it lies: `kernels/convPoint.ts`. */
function isPoint(conv: DirectConv, rows: number, columns: number): boolean {
  const { x, prologue, normalize, stride, taps, groups } = conv;
  return (
    taps.length === 1 &&
    taps[0].y === 0 &&
    taps[0].x === 0 &&
    groups === 1 &&
    !normalize &&
    !prologue?.preScale &&
    !prologue?.preSlope &&
    (rows - 1) * stride[0] < x.shape[1] &&
    (columns - 1) * stride[1] < x.shape[2]
  );
}

function pointStage(conv: DirectConv, rows: number, columns: number, packed: number): Stage {
  const { x, y, steps, stride } = conv;
  const totalRows = x.shape[0] * rows;
  const flopsPerRow = 2 * columns * steps.inputs * steps.outputs;
  const { per, chunks } = cut(totalRows, leastFlops / flopsPerRow, mostChunks);
  const ones = 16 * quadsOf(y.shape[3]);
  return {
    kernel: 'convPoint',
    chunks,
    localBytes: 2 * ones + 32,
    args: [
      ...inputArgs(x, 1),
      ...outputArgs(conv),
      ...[rows, columns, totalRows, per, ...stride, packed, ones],
    ],
  };
}

/** `Output` of the kernels. */
export function outputArgs(
  conv: Pick<DirectConv, 'y' | 'bias' | 'slope' | 'residual' | 'origin' | 'step' | 'groups'>,
): number[] {
  const { y, bias, slope, residual, origin, step, groups } = conv;
  const [, height, width, channels] = y.shape;
  const place = (ref: TensorRef | undefined): number[] => {
    if (!ref) return [0, 0, 0, 0];
    const pixel = 4 * ref.pixelStride;
    const first = pointer(ref) + (origin[0] * width + origin[1]) * pixel;
    return [first, height * width * pixel, step[0] * width * pixel, step[1] * pixel];
  };
  return [...place(y), channels / groups, pointer(bias), pointer(slope), ...place(residual)];
}
