import type { Shape, Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { convLength } from './conv.js';
import type { OpDef } from './op.js';

/** A square window; `kernel` at most 16, so that a place in the window fits in a byte. */
export interface WindowAttrs {
  readonly kernel: number;
  readonly stride: number;
  /** Rows and columns of the first window that lie outside the image. */
  readonly padding: number;
}

/** Output `⌈n/stride⌉` along each axis, so that odd sizes lose nothing. */
export const windowShape = (x: Shape, stride: number): Shape => [
  x[0],
  convLength(x[1], 1, stride, 0, 1),
  convLength(x[2], 1, stride, 0, 1),
  x[3],
];

/**
 * Largest value in each window; what lies outside the image does not count. `index` is u8, the place of the first
 * largest value in its window: `row·kernel + column`. Every window must touch the image.
 */
export const maxPool: OpDef<{ x: Value }, { y: Value; index: Value }, WindowAttrs> = {
  infer({ x }, { stride }) {
    const shape = windowShape(x.shape, stride);
    return { y: { shape, dtype: 'f32' }, index: { shape, dtype: 'u8' } };
  },
  gradient({ inputs: { x }, outputs: { index }, attrs }, { y: gy }, { emit, needsGradient }) {
    if (!gy || !needsGradient(x)) return {};
    return { x: emit('maxUnpool', { x: gy, index }, { ...attrs, height: x.shape[1], width: x.shape[2] }).y };
  },
  features: ['x'],
  flops: ({ outputs: { y }, attrs }) => attrs.kernel ** 2 * sizeOf(y.shape),
};

/** Puts each value where `maxPool` found it, zeros elsewhere; overlapping windows add. `height`, `width`: of `y`. */
export const maxUnpool: OpDef<
  { x: Value; index: Value },
  { y: Value },
  WindowAttrs & { readonly height: number; readonly width: number }
> = {
  infer: ({ x }, { height, width }) => ({
    y: { shape: [x.shape[0], height, width, x.shape[3]], dtype: 'f32' },
  }),
  gradient({ inputs: { index }, attrs: { kernel, stride, padding } }, { y: gy }, { emit }) {
    return gy ? { x: emit('maxGather', { gy, index }, { kernel, stride, padding }).gx } : {};
  },
  features: ['x', 'y'],
  flops: ({ inputs: { x } }) => sizeOf(x.shape),
};

/** Transpose of `maxUnpool`: takes the value at the place `index` says. */
export const maxGather: OpDef<{ gy: Value; index: Value }, { gx: Value }, WindowAttrs> = {
  infer: ({ index }) => ({ gx: { shape: index.shape, dtype: 'f32' } }),
  features: ['gy', 'gx'],
  flops: ({ outputs: { gx } }) => sizeOf(gx.shape),
};
