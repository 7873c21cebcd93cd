import type { CallFor, TensorRef } from '../../../../graph/planned.js';
import { elementBytes, sizeOf } from '../../../../ir/value.js';
import { preluGradSums } from '../activation.js';
import { conv2dGradInput } from '../conv.js';
import type { Candidate } from '../kernel.js';
import { imagesOf } from '../kernel.js';
import { partSums, partSumsBytes } from '../reduce.js';
import type { Pair } from './pair.js';

/** Pixels that keep a large GPU busy. */
const MIN_PIXELS = 100_000;
const ALIGN = 256;
const alignUp = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN;

/**
 * The gradient of a convolution's input, then that of the PReLU before it, a few images at a time: what lies between is
 * memory for those few, and the second finds it in the GPU's cache. None where a part would be all images, or too small.
 */
export const gradInputPrelu: Pair = (first, second, able) => {
  if (first.op !== 'conv2dGradInput' || second.op !== 'preluGrad') return [];
  const { gx } = first.outputs;
  if (second.inputs.gy.name !== gx.name || first.inputs.acc) return [];
  const [images, height, width] = gx.shape;
  const each = Math.ceil(MIN_PIXELS / (height * width));
  if (each >= images) return [];
  const parts = Array.from({ length: Math.ceil(images / each) }, (_, i) => ({
    from: i * each,
    to: Math.min(images, (i + 1) * each),
  }));
  const between = (from: number, to: number, offset: number): TensorRef => ({
    ...imagesOf(gx, from, to),
    offset,
    pixelStride: gx.shape[3],
  });
  const convOf = (from: number, to: number, offset: number): CallFor<'conv2dGradInput'> => ({
    ...first,
    inputs: { ...first.inputs, gy: imagesOf(first.inputs.gy, from, to) },
    outputs: { gx: between(from, to, offset) },
  });
  const convOn = ({ from, to }: (typeof parts)[number], offset: number) =>
    conv2dGradInput.candidates(convOf(from, to, offset), able);
  const betweenBytes = alignUp(sizeOf(imagesOf(gx, 0, each).shape) * elementBytes[gx.dtype]);
  const shapes = parts.map(({ from, to }) => imagesOf(gx, from, to).shape);
  return convOn(parts[0], 0).flatMap(({ name, scratch = 0, kept = 0 }): Candidate[] => {
    if (scratch > 0 || kept > 0) return [];
    const lower = () => {
      const { offset } = second.scratch;
      const { x, slope } = second.inputs;
      const ofPart = ({ from, to }: (typeof parts)[number]) => ({
        slope,
        x: imagesOf(x, from, to),
        gy: between(from, to, offset),
        gx: imagesOf(second.outputs.gx, from, to),
      });
      const sums = partSums(
        parts.map((part, i) => ({ shape: shapes[i], tensors: ofPart(part) })),
        preluGradSums,
        { gslope: second.outputs.gslope },
        offset + betweenBytes,
      );
      const conv = (part: (typeof parts)[number]) =>
        convOn(part, offset)
          .find((candidate) => candidate.name === name)!
          .lower();
      return [...parts.flatMap((part, i) => [...conv(part), sums.parts[i]]), sums.finish];
    };
    const bytes = betweenBytes + partSumsBytes(shapes, preluGradSums.rows);
    return [{ name: `${each} at a time, ${name}`, frugal: true, scratch: bytes, lower }];
  });
};
