import * as v from 'valibot';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { commonOptions, cornerOptions, whole } from './options.js';
import { bottleneckStage, convNorm, pyramidOfBins } from './resnet.js';

/** Of a stage of the ResNet; the deepest published one has 36. */
const blocks = whole(1, 64);

export const pspnetConfig = v.strictObject({
  ...commonOptions,
  ...cornerOptions,
  /** Bottlenecks of the four stages; the default is ResNet-101. */
  blocks: v.optional(v.strictTuple([blocks, blocks, blocks, blocks]), [3, 4, 23, 3]),
  /** Channels of the stem and inside the first stage; everything else follows. Default 64. */
  width: v.optional(v.pipe(whole(4, 1024), v.multipleOf(4)), 64),
});
export type PSPNetOptions = v.InferInput<typeof pspnetConfig>;

const bins = [1, 2, 3, 6];

/**
 * PSPNet (Zhao et al., "Pyramid Scene Parsing Network", CVPR 2017) on a dilated ResNet-101, as the authors' PyTorch code
 * has it: a stem of three 3×3 convolutions, stages 3 and 4 dilated in place of strided. Logits at 1/8; an auxiliary loss of weight 0.4 on stage 3 in training.
 */
export const pspnet = defineNetwork('pspnet', pspnetConfig, (b, images, config) => {
  const { classes, width, blocks } = config;
  const x = stem(b, b.normalizeImage(images, config.normalization), width);
  const stage1 = bottleneckStage(b, 'layer1', x, { blocks: blocks[0], width });
  const stage2 = bottleneckStage(b, 'layer2', stage1, { blocks: blocks[1], width: 2 * width, stride: 2 });
  const stage3 = bottleneckStage(b, 'layer3', stage2, {
    blocks: blocks[2],
    width: 4 * width,
    dilation: 2,
  });
  b.auxiliary('aux', 0.4, () => head(b, stage3, 4 * width, classes));
  const stage4 = bottleneckStage(b, 'layer4', stage3, {
    blocks: blocks[3],
    width: 8 * width,
    dilation: 4,
  });
  const levels = pyramidOfBins(b, stage4, bins, config, (pooled, level) => {
    const names = [`ppm.features.${level}.1`, `ppm.features.${level}.2`] as const;
    return convNorm(b, names, pooled, { out: stage4.shape[3] / bins.length, kernel: 1 });
  });
  const joined = b.concat(stage4, ...levels);
  return b.scope('cls', () => head(b, joined, 8 * width, classes));
});

/** Three 3×3 convolutions, the first strided, and a max pooling: 1/4. */
function stem(b: Builder, image: Value, width: number): Value {
  const first = convNorm(b, ['layer0.0', 'layer0.1'], image, { out: width, kernel: 3, stride: 2 });
  const second = convNorm(b, ['layer0.3', 'layer0.4'], first, { out: width, kernel: 3 });
  const third = convNorm(b, ['layer0.6', 'layer0.7'], second, { out: 2 * width, kernel: 3 });
  return b.maxPool(third, { kernel: 3, stride: 2, padding: 1 }).y;
}

/** 3×3, batch norm, ReLU, dropout, 1×1 to classes. */
function head(b: Builder, x: Value, width: number, classes: number): Value {
  const y = b.dropout(convNorm(b, ['0', '1'], x, { out: width, kernel: 3 }), 0.1);
  return b.conv('4', y, { out: classes, kernel: 1, bias: true });
}
