/** Transposed convolutions whose windows do not overlap: every pixel makes a patch of its own. */
import type { CallFor, TensorRef } from '../../../graph/planned.js';
import { sizeOf } from '../../../ir/value.js';
import type { Stage } from '../stage.js';
import { arenaBase, pointer } from '../stage.js';
import { memoryRange, wholeRange } from '../touches.js';
import type { Algorithm } from './algorithm.js';
import { directs } from './algorithm.js';
import type { DirectConv } from './direct.js';
import { transposedSteps } from './direct.js';
import { octsOf } from './geometry.js';

type GradInput = CallFor<'conv2dGradInput'>;

/** Whether every pixel of `gy` makes a patch of `gx`, as wide as the stride, in pixels without gaps. */
export function isPatchwise({ inputs: { gy, weight, acc }, outputs: { gx }, attrs }: GradInput): boolean {
  const { stride, padding, dilation, groups } = attrs;
  const dense = (ref: TensorRef) => ref.pixelStride === ref.shape[3];
  return (
    Math.max(...stride) > 1 &&
    [0, 1].every((i) => stride[i] === weight.shape[i] && stride[i] * gy.shape[i + 1] === gx.shape[i + 1]) &&
    Math.max(...padding) === 0 &&
    Math.max(...dilation) === 1 &&
    groups === 1 &&
    dense(gx) &&
    (!acc || dense(acc))
  );
}

/** The pixels of one row of a patch as one pixel of more channels. */
export const joined = (ref: TensorRef, columns: number): TensorRef => {
  const [batch, height, width, channels] = ref.shape;
  const shape = [batch, height, width / columns, columns * channels] as const;
  return { ...ref, shape, pixelStride: columns * channels };
};

/** The outputs of a row of patches are those of one 1×1 convolution. `scratch`: where {@link vectorStages} leave bias and slope. */
export function patchConvs({ inputs, outputs: { gx } }: GradInput, scratch: number): DirectConv[] {
  const { gy, weight, bias, slope, acc } = inputs;
  const [rows, columns, channels] = weight.shape;
  const steps = { ...transposedSteps(weight, 1), outputs: columns * channels };
  const repeated = (vector: TensorRef, at: number): TensorRef => {
    const shape = [1, 1, 1, columns * channels] as const;
    return { ...vector, shape, offset: at - arenaBase, pixelStride: columns * channels };
  };
  const epilogue = {
    y: joined(gx, columns),
    bias: bias && repeated(bias, scratch),
    slope: slope && repeated(slope, scratch + (bias ? vectorBytes(weight) : 0)),
    residual: acc && joined(acc, columns),
  };
  return Array.from({ length: rows }, (_, row) => {
    const taps = [{ y: 0, x: 0, source: row }];
    const places = { origin: [row, 0], step: [rows, 1] } as const;
    return { x: gy, stride: [1, 1], taps, steps, groups: 1, ...epilogue, ...places };
  });
}

/** Copies of a vector that fill whole eights of the outputs of a row of a patch. */
const copiesOf = ({ shape: [, columns, channels] }: TensorRef): number =>
  Math.ceil((8 * octsOf(columns * channels)) / channels);

/** Bytes of a vector for each column of a patch. */
const vectorBytes = (weight: TensorRef): number =>
  64 * Math.ceil((4 * copiesOf(weight) * weight.shape[2]) / 64);

const vectorsOf = ({ bias, slope }: GradInput['inputs']): TensorRef[] =>
  [bias, slope].filter((vector) => vector !== undefined);

/** Bytes that bias and slope take. */
export const vectorsBytes = ({ inputs }: GradInput): number =>
  vectorsOf(inputs).length * vectorBytes(inputs.weight);

/** Writes bias and slope as often as a patch has columns. */
export function vectorStages({ inputs }: GradInput, scratch: number): Stage[] {
  const { weight } = inputs;
  const count = copiesOf(weight);
  return vectorsOf(inputs).map((vector, i) => {
    const bytes = 4 * sizeOf(vector.shape);
    const to = scratch + i * vectorBytes(weight);
    return {
      kernel: 'copy',
      chunks: 1,
      touches: () => ({ reads: [wholeRange(vector)], writes: [memoryRange(to, count * bytes)] }),
      args: {
        ...{ x: pointer(vector), xStride: 0, y: to, yStride: bytes, bytes },
        pixels: { count, perChunk: count },
      },
    };
  });
}

export function patches(call: GradInput): Algorithm {
  const vectors = vectorsBytes(call);
  const { name, scratchBytes } = directs('patches', patchConvs(call, 0));
  return {
    name,
    scratchBytes: vectors + scratchBytes,
    stages: (at, threads) => [
      ...vectorStages(call, at),
      ...directs('patches', patchConvs(call, at)).stages(at + vectors, threads),
    ],
  };
}
