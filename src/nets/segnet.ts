import * as v from 'valibot';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { commonOptions, whole } from './options.js';

export const segnetConfig = v.strictObject({
  ...commonOptions,
  /** Channels of the first stage; the others are 2, 4, 8, 8 times as wide. Default 64, as VGG-16. */
  width: v.optional(v.pipe(whole(4, 1024), v.multipleOf(4)), 64),
});
export type SegNetOptions = v.InferInput<typeof segnetConfig>;

const pooling = { kernel: 2, stride: 2, padding: 0 };
/** Convolutions of each stage of VGG-16, and their channels as multiples of the first. */
const stages = [
  { convolutions: 2, multiple: 1 },
  { convolutions: 2, multiple: 2 },
  { convolutions: 3, multiple: 4 },
  { convolutions: 3, multiple: 8 },
  { convolutions: 3, multiple: 8 },
];

/**
 * SegNet (Badrinarayanan et al., "SegNet: A Deep Convolutional Encoder-Decoder Architecture for Image Segmentation",
 * TPAMI 2017): the convolutions of VGG-16 with batch norm, and their mirror image, which unpools to where the encoder's
 * maxima were. Names of layers are those of the authors' prototxt. Logits at full size.
 */
export const segnet = defineNetwork('segnet', segnetConfig, (b, images, config) => {
  const { width, classes } = config;
  let x = b.normalizeImage(images, config.normalization);
  const pools = stages.map(({ convolutions, multiple }, i) => {
    for (let k = 1; k <= convolutions; k++) x = layer(b, `conv${i + 1}_${k}`, x, multiple * width);
    const [, height, wide] = x.shape;
    const { y, index } = b.maxPool(x, pooling);
    x = y;
    return { index, height, width: wide };
  });
  for (let i = stages.length - 1; i >= 0; i--) {
    const { index, ...size } = pools[i];
    x = b.maxUnpool(x, index, { ...pooling, ...size });
    for (let k = stages[i].convolutions; k > 1; k--) {
      x = layer(b, `conv${i + 1}_${k}_D`, x, stages[i].multiple * width);
    }
    if (i > 0) x = layer(b, `conv${i + 1}_1_D`, x, stages[i - 1].multiple * width);
  }
  return b.conv('conv1_1_D', x, { out: classes, kernel: 3, bias: true });
});

/** 3×3 with bias, batch norm, ReLU. */
const layer = (b: Builder, name: string, x: Value, out: number): Value =>
  b.batchNorm(`${name}_bn`, b.conv(name, x, { out, kernel: 3, bias: true }), { act: 'relu' });
