import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { Normalization, OpDef } from './op.js';

/** Size of the result in pixels. */
export interface ResizeAttrs extends Corners {
  readonly height: number;
  readonly width: number;
}

/** Which grid a bilinear resampling has. */
export interface Corners {
  /**
   * True: the centres of the corner pixels of both images coincide, output pixel i samples at `i·(in − 1)/(out − 1)`.
   * False (default): the images' edges coincide, it samples at `max(0, (i + ½)·in/out − ½)`.
   */
  readonly alignCorners?: boolean;
}

/** A resampling of what may be an image. */
export interface ResizedImageAttrs extends ResizeAttrs {
  /** Set where `x` is a u8 image: `(x/255 − mean[c])/std[c]` is resampled. */
  readonly normalize?: Normalization;
}

/**
 * Bilinear resampling: output pixel i samples at a place s (see {@link Corners}) between `⌊s⌋` and
 * `min(⌊s⌋ + 1, in − 1)`; no antialiasing. `x`: `N×h×w×C`, f32, or u8 with `normalize`.
 */
export const resizeBilinear: OpDef<{ x: Value }, { y: Value }, ResizedImageAttrs> = {
  infer: ({ x }, { height, width }) => ({
    y: { shape: [x.shape[0], height, width, x.shape[3]], dtype: 'f32' },
  }),
  gradient({ inputs: { x }, attrs: { alignCorners } }, { y: gy }, { emit }) {
    if (!gy) return {};
    const attrs = { height: x.shape[1], width: x.shape[2], alignCorners };
    return { x: emit('resizeBilinearGrad', { gy }, attrs).gx };
  },
  features: ['x', 'y'],
  flops: ({ outputs: { y } }) => 8 * sizeOf(y.shape),
  bytes: 'x',
  upsampling: ({ inputs: { x }, attrs, outputs: { y } }) =>
    sizeOf(y.shape) > sizeOf(x.shape) && !attrs.normalize
      ? { x, attrs, of: (other, { emit, label }) => emit('resizeBilinear', { x: other }, attrs, { label }).y }
      : undefined,
};

/** Transpose of `resizeBilinear`; `height`, `width`: of `gx` (the size before resizing). */
export const resizeBilinearGrad: OpDef<{ gy: Value }, { gx: Value }, ResizeAttrs> = {
  infer: ({ gy }, { height, width }) => ({
    gx: { shape: [gy.shape[0], height, width, gy.shape[3]], dtype: 'f32' },
  }),
  features: ['gy', 'gx'],
  flops: ({ inputs: { gy } }) => 8 * sizeOf(gy.shape),
};

/**
 * Labels straight from coarse logits: `argmax_c resizeBilinear(x)[c]`, the first class on ties, as u8.
 * The full-resolution logits never exist. `x`: `N×h×w×classes`, `labels`: `N×height×width×1`.
 */
export const resizeArgmax: OpDef<{ x: Value }, { labels: Value }, ResizeAttrs> = {
  infer: ({ x }, { height, width }) => ({
    labels: { shape: [x.shape[0], height, width, 1], dtype: 'u8' },
  }),
  flops: ({ inputs: { x }, outputs: { labels } }) => 8 * sizeOf(labels.shape) * x.shape[3],
};
