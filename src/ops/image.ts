import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import type { Normalization, OpDef } from './op.js';

/** `(x/255 − mean)/std` as `x·scale + shift`, by channel. */
export const imageCoefficients = ({ mean, std }: Normalization) => ({
  scale: std.map((each) => 1 / (255 * each)),
  shift: mean.map((each, c) => -each / std[c]),
});

/** `y = (x/255 − mean[c])/std[c]`: bytes as numbers, for those that read the image and cannot read bytes. */
export const normalizeImage: OpDef<{ x: Value }, { y: Value }, Normalization> = {
  infer: ({ x }) => ({ y: { shape: x.shape, dtype: 'f32' } }),
  features: ['y'],
  flops: ({ outputs: { y } }) => 2 * sizeOf(y.shape),
  image: ({ inputs: { x }, attrs: { mean, std } }) => ({ x, normalize: { mean, std } }),
};
