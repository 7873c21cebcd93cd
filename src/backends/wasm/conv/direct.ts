/** Direct convolution, forward and with respect to the input: `kernels/conv/direct.ts`. */
import type { Placed, TensorRef } from '../../../graph/planned.js';
import type { ConvAttrs } from '../../../ops/conv.js';
import type { Prologue } from '../../../ops/op.js';
import { planeBytes, sizes } from '../abi.js';
import type { Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import type { Epilogue, Tap } from './geometry.js';
import { inputArgs, outputArgs, planWindow, quadsOf } from './geometry.js';

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
export interface DirectConv extends Epilogue {
  readonly x: TensorRef;
  readonly prologue?: Placed<Prologue>;
  readonly normalize?: ConvAttrs['normalize'];
  readonly stride: readonly [number, number];
  /** `source`: index in the weight tensor. */
  readonly taps: readonly (Tap & { readonly source: number })[];
  readonly steps: WeightSteps;
  readonly groups: number;
  readonly origin: readonly [number, number];
  readonly step: readonly [number, number];
  /** Rows and columns of the grid; default: to the end of `y`. */
  readonly extent?: readonly [number, number];
}

/** Bytes of packed weights. */
export const packedWeightBytes = ({ inputs, outputs }: WeightSteps, groups: number, taps: number): number =>
  64 * groups * taps * quadsOf(inputs) * quadsOf(outputs);

/** Floating-point operations worth taking a chunk for. */
const leastFlops = 2e6;
const mostChunks = 128;

/** Stages of a direct convolution; `packed`: address for `packedWeightBytes`. */
export const directStages = (conv: DirectConv, packed: number): Stage[] =>
  partsOf(conv).flatMap((part) => partStages(part, packed));

const gridOf = ({ y, origin, step, extent }: DirectConv): readonly [rows: number, columns: number] =>
  extent ?? [Math.ceil((y.shape[1] - origin[0]) / step[0]), Math.ceil((y.shape[2] - origin[1]) / step[1])];

/**
 * Taps that meet nothing but padding are left out, and where a dilation is large for the feature map, the grid is cut into
 * parts that each have some.
 */
function partsOf(conv: DirectConv): DirectConv[] {
  const { x, taps, steps, stride, origin, step } = conv;
  const [rows, columns] = gridOf(conv);
  if (rows < 1 || columns < 1) return [];
  const reaching = (all: DirectConv['taps'], height: number, width: number) =>
    all.filter(
      (tap) => meets(tap.y, stride[0], x.shape[1], height) && meets(tap.x, stride[1], x.shape[2], width),
    );
  const [across, along] = [taps.map((tap) => tap.y), taps.map((tap) => tap.x)].map((offsets, axis) =>
    cuts(offsets, stride[axis], x.shape[1 + axis], [rows, columns][axis]),
  );
  const parts = across.flatMap(([top, height]) =>
    along.map(([left, width]): DirectConv => {
      const moved = taps.map(({ y, x, source }) => ({
        y: y + top * stride[0],
        x: x + left * stride[1],
        source,
      }));
      return {
        ...conv,
        taps: reaching(moved, height, width),
        origin: [origin[0] + top * step[0], origin[1] + left * step[1]],
        extent: [height, width],
      };
    }),
  );
  const live = reaching(taps, rows, columns);
  const products = (taps: number, pixels: number) =>
    2 * x.shape[0] * pixels * taps * steps.inputs * steps.outputs;
  const whole = products(live.length, rows * columns);
  const inParts = parts.reduce(
    (sum, { taps, extent }) => sum + products(taps.length, extent![0] * extent![1]),
    0,
  );
  return whole - inParts > leastFlops * (parts.length - 1) && inParts < 0.8 * whole
    ? parts
    : [{ ...conv, taps: live }];
}

/** Whether some of `count` outputs read inside, at a tap that lies `offset` from the first. */
const meets = (offset: number, stride: number, length: number, count: number): boolean =>
  offset < length && offset + (count - 1) * stride >= 0;

/** `count` outputs in a row, cut where taps enter and leave an input of `length`: first output and number of each part. */
function cuts(
  offsets: readonly number[],
  stride: number,
  length: number,
  count: number,
): [first: number, count: number][] {
  const edges = offsets.flatMap((offset) => [
    Math.ceil(-offset / stride),
    Math.ceil((length - offset) / stride),
  ]);
  const inside = [...new Set(edges)].filter((edge) => edge > 0 && edge < count).sort((a, b) => a - b);
  return [0, ...inside].map((first, i) => [first, (inside[i] ?? count) - first]);
}

function partStages(conv: DirectConv, packed: number): Stage[] {
  const { x, groups, taps, steps, stride } = conv;
  const [rows, columns] = gridOf(conv);
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

  const main: Stage = {
    kernel: 'convDirect',
    chunks: chunks * groups,
    localBytes: window.bytes + quadsOf(steps.outputs) * planeBytes + planeBytes,
    args: {
      input: inputArgs(x, groups, conv.prologue, conv.normalize),
      window: window.args,
      output: outputArgs(conv, groups, conv.origin, conv.step),
      ...{ rows, columns, block: window.block, totalRows, rowsPerChunk: per, chunksPerGroup: chunks },
      ...{ weights: packed, groupBytes, planes: window.table.length, table: window.table },
      inputBytes: window.bytes,
    },
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
    args: {
      ...{ packed, inputs: steps.inputs, outputs: steps.outputs },
      inputStep: 4 * steps.inputStep,
      outputStep: 4 * steps.outputStep,
      groupStep: 4 * steps.groupStep,
      ...{ blocks, groupBytes: packedWeightBytes(steps, 1, taps.length), taps: taps.length },
      sources: taps.map(({ source }) => pointer(steps.weight) + 4 * source * tapElements),
    },
  };
}

/** Whether every output is the product of one pixel, as it lies: `kernels/conv/pointwise.ts`. */
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
    kernel: 'convPointwise',
    chunks,
    localBytes: 2 * ones + sizes.PointBlock,
    args: {
      input: inputArgs(x, 1),
      output: outputArgs(conv, 1, conv.origin, conv.step),
      ...{ rows, columns, totalRows, rowsPerChunk: per, strideY: stride[0], strideX: stride[1] },
      ...{ weights: packed, ones },
    },
  };
}
