import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { OpDef } from './op.js';

/** Of RGB bytes: `(x/255 − mean[c])/std[c]`. */
export interface Normalization {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** `y = (x/255 − mean[c])/std[c]`: bytes as numbers, for networks that do more with the image than one convolution. */
export const normalizeImage: OpDef<{ x: Value }, { y: Value }, Normalization> = {
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: 'f32' } }),
  features: ['y'],
  flops: ({ outputs: { y } }) => 2 * sizeOf(y.shape),
};
