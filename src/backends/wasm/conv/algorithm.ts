/** Which algorithm computes a convolution: the one place that chooses, with all thresholds of the choice. */
import type { TensorRef } from '../../../graph/planned.js';
import type { Stage } from '../stage.js';
import type { Conv, DirectConv } from './direct.js';
import { directStage, packedWeightBytes, packStage } from './direct.js';
import { imageStage, imageWeightBytes, imageWeightStages, isOfImage } from './image.js';
import { partsOf } from './parts.js';
import { isPointwise, pointwiseStage } from './pointwise.js';
import type { WinogradForm } from './winograd1d.js';
import * as winograd1d from './winograd1d.js';
import * as winograd2d from './winograd2d.js';

/** How a convolution is computed. */
export interface Algorithm {
  readonly name: string;
  /** Private memory: weights as the kernel wants them, or partial sums. */
  readonly scratchBytes: number;
  /** What makes the scratch out of the weights, where that can be done ahead; else it is among the stages. */
  weightStages?(scratch: number): Stage[];
  stages(scratch: number, threads: number): Stage[];
}

/** Below these channels the transforms cost more than the multiplications they save. */
const leastChannels = { winograd1d: 16, winograd1dRows: 8, winograd2d: 8 };
/** Computed outputs per real one, at most: tiles reach beyond the border. */
const mostWaste = 1.5;
/**
 * With more, the weights of a 1×1 convolution leave the second-level cache between two uses, and packed pixels, which products
 * take in parts, cost less.
 */
const mostPointwiseBytes = 512 << 10;
/**
 * Transformed weights are read anew for every strip: they should stay in a second-level cache or near it, where making them
 * is part of the work; those that are made once may stream through.
 */
const mostWeightBytes = { made: 4 << 20, constant: 320 << 20 };
/**
 * Tiles of an image worth transforming 36 weights for. Batch statistics over so few pixels also magnify the rounding
 * error, three times that of the direct form: the gradient of a whole small ICNet was off by 6 % where it is 1 % otherwise.
 */
const leastTiles = 16;
/** Tiles in a row of one residue of a dilated convolution; those of several rows make a strip. */
const leastAcross = 2;

export function algorithmOf(conv: Conv): Algorithm {
  const { steps, padding, dilation, flipped } = conv;
  if (isOfImage(conv)) {
    return {
      name: 'image',
      scratchBytes: imageWeightBytes(conv),
      weightStages: (at) => imageWeightStages(conv, at),
      stages: (at) => [imageStage(conv, at)],
    };
  }
  if (isWinograd2d(conv)) {
    return {
      name: 'winograd2d',
      scratchBytes: winograd2d.winograd2dBytes(steps),
      weightStages: (at) => [winograd2d.packStage(steps, flipped, at)],
      stages: (at, threads) => [winograd2d.winograd2dStage(conv, padding, dilation, at, threads)],
    };
  }
  const form = winograd1dForm(conv);
  if (form) {
    return {
      name: winograd1dName(form),
      scratchBytes: winograd1d.winogradBytes(form, steps),
      weightStages: (at) => [winograd1d.packStage(form, steps, flipped, at)],
      stages: (at) => [winograd1d.winogradStage(form, conv, at)],
    };
  }
  return direct(conv);
}

export const winograd1dName = ({ rows, i16 }: WinogradForm): string =>
  `winograd1d${rows ? ' rows' : ''}${i16 ? ' i16' : ''}`;

function isWinograd2d({
  x,
  y,
  steps,
  stride,
  padding,
  dilation,
  groups,
  normalize,
  constant,
}: Conv): boolean {
  const [kh, kw] = steps.weight.shape;
  const [height, width] = [y.shape[1] / dilation[0], y.shape[2] / dilation[1]];
  const [down, across] = [winograd2d.tilesAlong(height), winograd2d.tilesAlong(width)];
  const parts = dilation[0] * dilation[1];
  return (
    kh === 3 &&
    kw === 3 &&
    Math.max(...stride) === 1 &&
    (parts === 1 || (isOfWholeParts(x, y, padding, dilation) && across >= leastAcross)) &&
    groups === 1 &&
    !normalize &&
    Math.min(steps.inputs, steps.outputs) >= leastChannels.winograd2d &&
    winograd2d.winograd2dBytes(steps) <= mostWeightBytes[constant ? 'constant' : 'made'] &&
    parts * down * across >= leastTiles &&
    16 * down * across <= mostWaste * height * width
  );
}

/** Whether a dilated convolution is one without dilation on each residue of rows and columns, all of one size. */
const isOfWholeParts = (
  x: TensorRef,
  y: TensorRef,
  padding: readonly number[],
  dilation: readonly number[],
): boolean =>
  [0, 1].every(
    (axis) =>
      padding[axis] === dilation[axis] &&
      x.shape[1 + axis] === y.shape[1 + axis] &&
      y.shape[1 + axis] % dilation[axis] === 0,
  );

/** What decides whether three taps in a row are one-dimensional Winograd, of a convolution or of its weight gradient. */
export interface Taps {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
  readonly normalize?: object;
  readonly channels: readonly [number, number];
  /** Height and width of the outputs. */
  readonly size: readonly [number, number];
}

export function winogradForm(taps: Taps): WinogradForm | undefined {
  const { kernel, stride, padding, dilation, groups, normalize, channels, size } = taps;
  const rows = kernel[0] === 3 && kernel[1] === 3;
  const axis = kernel[0] === 3 && !rows ? 0 : 1;
  const other = 1 - axis;
  const fits =
    kernel[axis] === 3 &&
    (rows || (kernel[other] === 1 && padding[other] === 0)) &&
    Math.max(...stride) === 1 &&
    groups === 1 &&
    Math.min(...channels) >= leastChannels[rows ? 'winograd1dRows' : 'winograd1d'];
  if (!fits || normalize) return undefined;
  const computed = winograd1d.tileOutputs * winograd1d.tilesAlong(size[axis], dilation[axis]);
  if (computed > mostWaste * size[axis]) return undefined;
  const form = { axis, dilation: dilation[axis], padding: padding[axis] } as const;
  return rows ? { ...form, rows: { dilation: dilation[0], padding: padding[0] } } : form;
}

export function winograd1dForm(conv: Conv): WinogradForm | undefined {
  const { y, steps, prologue } = conv;
  const { inputs, outputs, weight } = steps;
  const form = winogradForm({
    ...conv,
    kernel: [weight.shape[0], weight.shape[1]],
    channels: [inputs, outputs],
    size: [y.shape[1], y.shape[2]],
  });
  const whole = inputs % 4 === 0 && outputs % 4 === 0;
  const i16 = conv.i16 && !form?.rows && !prologue?.preScale && !prologue?.preSlope && whole;
  return form && i16 ? { ...form, i16 } : form;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Of memories that lie one behind the other. */
const startsOf = (bytes: readonly number[]): number[] => bytes.map((_, i) => sum(bytes.slice(0, i)));

/** The direct form, or that of single taps. */
function direct(conv: DirectConv): Algorithm {
  const { steps, groups } = conv;
  const parts = partsOf(conv);
  const pointwise = (part: DirectConv) =>
    isPointwise(part) && packedWeightBytes(steps, 1, 1) <= mostPointwiseBytes;
  const stage = (part: DirectConv, at: number) =>
    pointwise(part) ? pointwiseStage(part, at) : directStage(part, at);
  const weights = (part: DirectConv, at: number) => (part.taps.length > 0 ? [packStage(part, at)] : []);
  const bytes = parts.map((part) => packedWeightBytes(steps, groups, part.taps.length));
  const starts = startsOf(bytes);
  const several = `direct in ${parts.length} parts`;
  return {
    name: parts.length !== 1 ? several : pointwise(parts[0]) ? 'pointwise' : 'direct',
    scratchBytes: sum(bytes),
    weightStages: (at) => parts.flatMap((part, i) => weights(part, at + starts[i])),
    stages: (at) => parts.map((part, i) => stage(part, at + starts[i])),
  };
}

/** Several direct convolutions that fill one result, each with weights of its own. */
export function directs(name: string, convs: readonly DirectConv[]): Algorithm {
  const all = convs.map(direct);
  const bytes = all.map(({ scratchBytes }) => scratchBytes);
  const starts = startsOf(bytes);
  return {
    name: `${name}: ${[...new Set(all.map(({ name }) => name))].join(', ')}`,
    scratchBytes: sum(bytes),
    stages: (at, threads) => all.flatMap((one, i) => stagesOf(one, at + starts[i], threads)),
  };
}

/** Stages of a call with its weights made each time. */
export const stagesOf = (algorithm: Algorithm, scratch: number, threads: number): Stage[] => [
  ...(algorithm.weightStages?.(scratch) ?? []),
  ...algorithm.stages(scratch, threads),
];
