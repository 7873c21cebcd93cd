import * as v from 'valibot';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { commonOptions, cornerOptions } from './options.js';
import { basicStage, convNorm } from './resnet.js';

export const bisenetConfig = v.strictObject({ ...commonOptions, ...cornerOptions });
export type BiSeNetOptions = v.InferInput<typeof bisenetConfig>;

/** Feature maps of the context path at 1/8, 1/16 and 1/32. */
type Features = readonly [Value, Value, Value];

/**
 * BiSeNet (Yu et al., "BiSeNet: Bilateral Segmentation Network for Real-Time Semantic Segmentation", ECCV 2018) on
 * ResNet-18, as the authors' code (TorchSeg) has it. The paper counts 49.0 M parameters; that code has 13.4 M, of which
 * ResNet-18 is 11.2 M (its heads for training are not counted). Logits at 1/8; auxiliary losses of weight 1 at 1/16 and 1/8 in training.
 */
export const bisenetR18 = defineNetwork('bisenet-r18', bisenetConfig, (b, images, config) =>
  bisenet(b, images, config, resnet18, 256),
);

/** The same on Xception-39, a narrow network of separable convolutions. */
export const bisenetX39 = defineNetwork('bisenet-x39', bisenetConfig, (b, images, config) =>
  bisenet(b, images, config, xception39, 128),
);

function bisenet(
  b: Builder,
  images: Value,
  config: v.InferOutput<typeof bisenetConfig>,
  context: (b: Builder, image: Value) => Features,
  auxiliaryWidth: number,
): Value {
  const { classes, alignCorners } = config;
  const resize = (y: Value, { shape: [, height, width] }: Value) =>
    b.resize(y, height, width, { alignCorners });
  const image = b.normalizeImage(images, config.normalization);
  const spatial = b.scope('spatial_path', () => spatialPath(b, image));
  const [at8, at16, at32] = b.scope('context_path', () => context(b, image));
  const pooled = b.adaptivePool(at32, 1, 1);
  let x = resize(block(b, 'global_context.1', pooled, { out: 128, kernel: 1 }), at32);
  [at32, at16].forEach((features, i) => {
    const next = [at16, at8][i];
    const sum = b.add(attentionRefinement(b, `arms.${i}`, features), x);
    x = block(b, `refines.${i}`, resize(sum, next), { out: 128, kernel: 3 });
    b.auxiliary(`heads.${i}`, 1, () => head(b, x, auxiliaryWidth, classes));
  });
  const fused = b.scope('ffm', () => featureFusion(b, spatial, x));
  return b.scope('heads.2', () => head(b, fused, 64, classes));
}

/** Convolution, batch norm and ReLU in a scope of their own, as that code nests them. */
const block = (b: Builder, name: string, x: Value, options: Parameters<typeof convNorm>[3]): Value =>
  b.scope(name, () => convNorm(b, ['conv', 'bn'], x, options));

/** Three strided convolutions and a 1×1: rich in detail, at 1/8. */
function spatialPath(b: Builder, image: Value): Value {
  let x = block(b, 'conv_7x7', image, { out: 64, kernel: 7, stride: 2 });
  for (const i of [1, 2]) x = block(b, `conv_3x3_${i}`, x, { out: 64, kernel: 3, stride: 2 });
  return block(b, 'conv_1x1', x, { out: 128, kernel: 1 });
}

/** 3×3 to 128 channels, each scaled by a gate computed from the average of all. */
function attentionRefinement(b: Builder, name: string, x: Value): Value {
  return b.scope(name, () => {
    const y = block(b, 'conv_3x3', x, { out: 128, kernel: 3 });
    const gate = block(b, 'channel_attention.1', b.adaptivePool(y, 1, 1), {
      out: 128,
      kernel: 1,
      relu: false,
    });
    return b.multiply(y, b.sigmoid(gate));
  });
}

/** Both paths joined by a 1×1, plus the same scaled by a gate. */
function featureFusion(b: Builder, spatial: Value, context: Value): Value {
  const y = block(b, 'conv_1x1', b.concat(spatial, context), { out: 256, kernel: 1 });
  const hidden = b.relu(b.conv('channel_attention.1.conv', b.adaptivePool(y, 1, 1), { out: 256, kernel: 1 }));
  const gate = b.sigmoid(b.conv('channel_attention.2.conv', hidden, { out: 256, kernel: 1 }));
  return b.add(y, b.multiply(y, gate));
}

function head(b: Builder, x: Value, width: number, classes: number): Value {
  const y = block(b, 'conv_3x3', x, { out: width, kernel: 3 });
  return b.conv('conv_1x1', y, { out: classes, kernel: 1, bias: true });
}

function resnet18(b: Builder, image: Value): Features {
  const stem = convNorm(b, ['conv1', 'bn1'], image, { out: 64, kernel: 7, stride: 2 });
  const pooled = b.maxPool(stem, { kernel: 3, stride: 2, padding: 1 }).y;
  const at4 = basicStage(b, 'layer1', pooled, { blocks: 2, width: 64 });
  const at8 = basicStage(b, 'layer2', at4, { blocks: 2, width: 128, stride: 2 });
  const at16 = basicStage(b, 'layer3', at8, { blocks: 2, width: 256, stride: 2 });
  return [at8, at16, basicStage(b, 'layer4', at16, { blocks: 2, width: 512, stride: 2 })];
}

function xception39(b: Builder, image: Value): Features {
  const stem = block(b, 'conv1', image, { out: 8, kernel: 3, stride: 2 });
  const pooled = b.maxPool(stem, { kernel: 3, stride: 2, padding: 1 }).y;
  const at8 = xceptionStage(b, 'layer1', pooled, 4, 16);
  const at16 = xceptionStage(b, 'layer2', at8, 8, 32);
  return [at8, at16, xceptionStage(b, 'layer3', at16, 4, 64)];
}

/** Depthwise 3×3, then pointwise with batch norm. */
function separable(b: Builder, name: string, x: Value, out: number, stride: number, relu: boolean): Value {
  return b.scope(name, () => {
    const channels = x.shape[3];
    const depthwise = b.conv('conv1', x, { out: channels, kernel: 3, stride, groups: channels });
    return block(b, 'point_wise_cbr', depthwise, { out, kernel: 1, relu });
  });
}

/** Blocks of three separable convolutions around a shortcut; the first halves the resolution. */
function xceptionStage(b: Builder, name: string, x: Value, blocks: number, width: number): Value {
  let y = x;
  for (let i = 0; i < blocks; i++) {
    const stride = i === 0 ? 2 : 1;
    y = b.scope(`${name}.${i}`, () => {
      const shortcut = i === 0 ? separable(b, 'proj', y, 4 * width, stride, false) : y;
      let z = separable(b, 'residual_branch.0', y, width, stride, true);
      z = separable(b, 'residual_branch.1', z, width, 1, true);
      z = separable(b, 'residual_branch.2', z, 4 * width, 1, false);
      return b.relu(b.add(shortcut, z));
    });
  }
  return y;
}
