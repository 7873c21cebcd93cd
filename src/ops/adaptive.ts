import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { OpDef } from './op.js';
import type { ResizeAttrs } from './resize.js';

/**
 * Average over `height×width` bins that cover the image: bin i of m over n pixels is `[⌊i·n/m⌋, ⌈(i+1)·n/m⌉)`, so
 * neighbours may share a row. `1×1` is global average pooling.
 */
export const adaptivePool: OpDef<{ x: Value }, { y: Value }, ResizeAttrs> = {
  infer: ({ x }, { height, width }) => ({
    y: { shape: [x.shape[0], height, width, x.shape[3]], dtype: 'f32' },
  }),
  gradient({ inputs: { x } }, { y: gy }, { emit }) {
    if (!gy) return {};
    return { x: emit('adaptivePoolGrad', { gy }, { height: x.shape[1], width: x.shape[2] }).gx };
  },
  features: ['x', 'y'],
  flops: ({ inputs: { x } }) => sizeOf(x.shape),
};

/** Transpose of `adaptivePool`; `height`, `width`: of `gx`. */
export const adaptivePoolGrad: OpDef<{ gy: Value }, { gx: Value }, ResizeAttrs> = {
  infer: ({ gy }, { height, width }) => ({
    gx: { shape: [gy.shape[0], height, width, gy.shape[3]], dtype: 'f32' },
  }),
  features: ['gy', 'gx'],
  flops: ({ outputs: { gx } }) => sizeOf(gx.shape),
};
