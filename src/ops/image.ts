import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { Normalization, OpDef } from './op.js';

/** `y = (x/255 − mean[c])/std[c]`: bytes as numbers, for those that read the image and cannot read bytes. */
export const normalizeImage: OpDef<{ x: Value }, { y: Value }, Normalization> = {
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: 'f32' } }),
  features: ['y'],
  flops: ({ outputs: { y } }) => 2 * sizeOf(y.shape),
  image: ({ inputs: { x }, attrs: { mean, std } }) => ({ x, normalize: { mean, std } }),
};
