import * as v from 'valibot';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import type { Corners } from '../ops/resize.js';
import { defineNetwork } from './define.js';
import { commonOptions, cornerOptions } from './options.js';
import { convNorm, pyramidOfBins } from './resnet.js';

export const icnetConfig = v.strictObject({
  ...commonOptions,
  ...cornerOptions,
  /** 0.5 (default) is the network after the paper's compression, which halves its kernels; 1 is before. */
  keep: v.optional(v.pipe(v.number(), v.gtValue(0), v.maxValue(1)), 0.5),
});
export type ICNetOptions = v.InferInput<typeof icnetConfig>;

/**
 * ICNet (Zhao et al., "ICNet for Real-Time Semantic Segmentation on High-Resolution Images", ECCV 2018), as the authors'
 * prototxt has it: PSPNet-50 on a quarter of the image, a few of its layers on half of it, three convolutions on the
 * whole, joined by cascade feature fusion. Logits at 1/4; auxiliary losses of weight 0.16 and 0.4 on the coarser branches in training.
 */
export const icnet = defineNetwork('icnet', icnetConfig, (b, images, config) => {
  const wide = (channels: number) => 4 * Math.max(1, Math.round((channels * config.keep) / 4));
  const { classes } = config;
  const image = b.normalizeImage(images, config.normalization);
  const reduced = (x: Value, by: number) =>
    b.resize(x, Math.ceil(x.shape[1] / by), Math.ceil(x.shape[2] / by), config);
  const like = (x: Value, { shape: [, height, width] }: Value) => b.resize(x, height, width, config);
  const half = reduced(image, 2);
  const medium = mediumBranch(b, half, wide);
  const coarse = coarseBranch(b, reduced(medium, 2), wide, config);
  const fine = fineBranch(b, image, wide);
  const classifier = (name: string, x: Value) => b.conv(name, x, { out: classes, kernel: 1, bias: true });

  const sub4 = like(coarse, medium);
  b.auxiliary('sub4_out', 0.16, () => classifier('conv', sub4));
  const sub24 = like(fuse(b, 'conv_sub4', sub4, 'conv3_1_sub2_proj', medium), fine);
  b.auxiliary('sub24_out', 0.4, () => classifier('conv', sub24));
  const sub12 = fuse(b, 'conv_sub2', sub24, 'conv3_sub1_proj', fine);
  const full = b.resize(sub12, Math.ceil(images.shape[1] / 4), Math.ceil(images.shape[2] / 4), config);
  return classifier('conv6_cls', full);
});

type Width = (channels: number) => number;

/** A layer of the prototxt: `name` and `name_bn`. */
const layer = (b: Builder, name: string, x: Value, options: Parameters<typeof convNorm>[3]): Value =>
  convNorm(b, [name, `${name}_bn`], x, options);

/** Bottleneck of PSPNet-50; the first of a stage has a projection, and strides in its first 1×1. */
function bottleneck(b: Builder, name: string, x: Value, width: number, stride = 1, dilation = 1): Value {
  const out = 4 * width;
  const shortcut =
    x.shape[3] === out ? x : layer(b, `${name}_1x1_proj`, x, { out, kernel: 1, stride, relu: false });
  const reduced = layer(b, `${name}_1x1_reduce`, x, { out: width, kernel: 1, stride });
  const middle = layer(b, `${name}_3x3`, reduced, { out: width, kernel: 3, dilation });
  const increased = layer(b, `${name}_1x1_increase`, middle, { out, kernel: 1, relu: false });
  return b.relu(b.add(shortcut, increased));
}

/** The layers that half the image goes through, to 1/16 of the whole. */
function mediumBranch(b: Builder, half: Value, wide: Width): Value {
  let x = layer(b, 'conv1_1_3x3_s2', half, { out: wide(64), kernel: 3, stride: 2 });
  x = layer(b, 'conv1_2_3x3', x, { out: wide(64), kernel: 3 });
  x = layer(b, 'conv1_3_3x3', x, { out: wide(128), kernel: 3 });
  x = b.maxPool(x, { kernel: 3, stride: 2, padding: 1 }).y;
  for (const i of [1, 2, 3]) x = bottleneck(b, `conv2_${i}`, x, wide(64));
  return bottleneck(b, 'conv3_1', x, wide(128), 2);
}

/** The rest of PSPNet-50 at 1/32; the pyramid of averages is added, not concatenated. */
function coarseBranch(b: Builder, reduced: Value, wide: Width, corners: Corners): Value {
  let x = reduced;
  for (const i of [2, 3, 4]) x = bottleneck(b, `conv3_${i}`, x, wide(128));
  for (const i of [1, 2, 3, 4, 5, 6]) x = bottleneck(b, `conv4_${i}`, x, wide(256), 1, 2);
  for (const i of [1, 2, 3]) x = bottleneck(b, `conv5_${i}`, x, wide(512), 1, 4);
  const levels = pyramidOfBins(b, x, [1, 2, 3, 6], corners, (pooled) => pooled);
  const sum = levels.reduce((a, level) => b.add(a, level), x);
  return layer(b, 'conv5_4_k1', sum, { out: wide(512), kernel: 1 });
}

/** Three strided convolutions of the whole image, to 1/8. Their widths are not compressed. */
function fineBranch(b: Builder, image: Value, wide: Width): Value {
  let x = layer(b, 'conv1_sub1', image, { out: wide(64), kernel: 3, stride: 2 });
  x = layer(b, 'conv2_sub1', x, { out: wide(64), kernel: 3, stride: 2 });
  return layer(b, 'conv3_sub1', x, { out: wide(128), kernel: 3, stride: 2 });
}

/** Cascade feature fusion: dilated 3×3 of the coarse map plus 1×1 of the finer one, both to 128 channels, ReLU. */
function fuse(b: Builder, name: string, coarse: Value, project: string, finer: Value): Value {
  const smooth = layer(b, name, coarse, { out: 128, kernel: 3, dilation: 2, relu: false });
  const projected = layer(b, project, finer, { out: 128, kernel: 1, relu: false });
  return b.relu(b.add(smooth, projected));
}
