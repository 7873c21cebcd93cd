/** Direct convolution, forward and with respect to the input: `kernels/conv/direct.ts`. */
import type { Placed, TensorRef } from '../../../graph/planned.js';
import type { ConvAttrs } from '../../../ops/conv.js';
import type { Prologue } from '../../../ops/op.js';
import { octsPerPass, planeBytes } from '../abi.js';
import type { Range, Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import { memoryRange, wholeRanges } from '../touches.js';
import type { Epilogue, Tap } from './geometry.js';
import { inputArgs, octsOf, outputArgs, planWindow, quadsOf } from './geometry.js';
import { convTouches, pixelsOfSpan, rowsOfSpan } from './touches.js';

/** How the kernels find the weight from one input to one output of a group: steps in elements. */
export interface WeightSteps {
  readonly weight: TensorRef;
  readonly inputs: number;
  readonly outputs: number;
  readonly inputStep: number;
  readonly outputStep: number;
  readonly groupStep: number;
}

/** Weights with inputs and outputs exchanged. */
export const transposedSteps = (weight: TensorRef, groups: number): WeightSteps => {
  const inputs = weight.shape[3] / groups;
  return {
    ...{ weight, inputs, outputs: weight.shape[2] },
    ...{ inputStep: 1, outputStep: weight.shape[3], groupStep: inputs },
  };
};

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

/** A convolution, forward or with respect to its input. */
export interface Conv extends DirectConv {
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** The taps are those of the weight in reverse order. */
  readonly flipped: boolean;
  /** Products of 16-bit integers are allowed. */
  readonly i16?: boolean;
  /** Weights stay what they are from run to run. */
  readonly constant?: boolean;
}

/** Bytes of packed weights. */
export const packedWeightBytes = ({ inputs, outputs }: WeightSteps, groups: number, taps: number): number =>
  128 * groups * taps * quadsOf(inputs) * octsOf(outputs);

/** Where they lie. */
export const packedRange = ({ steps, groups, taps }: DirectConv, packed: number): Range =>
  memoryRange(packed, packedWeightBytes(steps, groups, taps.length));

/** Floating-point operations worth taking a chunk for. */
export const leastFlops = 2e6;
export const mostChunks = 128;

/** Rows and columns of outputs. */
export const gridOf = ({ y, origin, step, extent }: DirectConv): readonly [rows: number, columns: number] =>
  extent ?? [Math.ceil((y.shape[1] - origin[0]) / step[0]), Math.ceil((y.shape[2] - origin[1]) / step[1])];

/** Whether each output is the product of one pixel, the one at its place times the stride. */
export const isOfOneTap = ({ taps }: DirectConv): boolean =>
  taps.length === 1 && taps[0].y === 0 && taps[0].x === 0;

/** Whether each output is the product of the pixel at its own place. */
const isInPlace = (conv: DirectConv): boolean => {
  const { x, y, stride, origin, step } = conv;
  const [rows, columns] = gridOf(conv);
  return (
    isOfOneTap(conv) &&
    origin.every((n) => n === 0) &&
    [...stride, ...step].every((n) => n === 1) &&
    [x, y].every(({ shape }) => shape[1] === rows && shape[2] === columns)
  );
};

/** The same convolution where images have another shape of as many pixels. */
function reshaped(conv: DirectConv, height: number, width: number): DirectConv {
  const shape = <T extends TensorRef | undefined>(ref: T): T =>
    ref && { ...ref, shape: [ref.shape[0], height, width, ref.shape[3]] };
  const { x, y, residual } = conv;
  return { ...conv, x: shape(x), y: shape(y), residual: shape(residual), extent: undefined };
}

/** `packed`: weights as `packStage` leaves them. */
export function directStage(conv: DirectConv, packed: number): Stage {
  const { groups, taps, steps, stride } = conv;
  const [images, height, width] = conv.y.shape;
  const inPlace = isInPlace(conv);
  // Where rows do not matter, blocks go on from one to the next.
  const asRow = inPlace ? reshaped(conv, 1, height * width) : conv;
  const [rows, columns] = gridOf(asRow);
  const groupBytes = packedWeightBytes(steps, 1, taps.length);
  const window = planWindow(taps, stride, steps.inputs, columns, inPlace);
  const { block } = window;
  const perRow = Math.ceil(columns / block);
  const flopsOfBlock = 2 * Math.min(block, columns) * steps.outputs * (taps.length * steps.inputs + 4);
  const { span, chunks } = cut(images * rows * perRow, leastFlops / flopsOfBlock, mostChunks);
  const touches = inPlace
    ? convTouches(
        reshaped(conv, columns, 1),
        [packedRange(conv, packed)],
        pixelsOfSpan(span, perRow, block, columns),
      )
    : convTouches(conv, [packedRange(conv, packed)], rowsOfSpan(span, rows, perRow));
  return {
    kernel: 'convDirect',
    chunks: chunks * groups,
    touches: (chunk) => touches(chunk % chunks),
    localBytes: window.bytes + (Math.min(octsOf(steps.outputs), octsPerPass) + 1) * planeBytes,
    args: {
      input: inputArgs(asRow.x, groups, conv.prologue, conv.normalize),
      window: window.args,
      output: outputArgs(asRow, groups, conv.origin, conv.step),
      ...{ rows, columns, block, perRow, span, chunksPerGroup: chunks },
      ...{ weights: packed, groupBytes, planes: window.table.length, table: window.table },
      inputBytes: window.bytes,
    },
  };
}

/** Weights to `packed`, block by block of 8 outputs. */
export function packStage(conv: DirectConv, packed: number): Stage {
  const { groups, taps, steps } = conv;
  const blocks = octsOf(steps.outputs);
  const tapElements = steps.inputs * steps.outputs * groups;
  return {
    kernel: 'convPackWeights',
    chunks: groups * blocks,
    touches: () => ({ reads: wholeRanges(steps.weight), writes: [packedRange(conv, packed)] }),
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
