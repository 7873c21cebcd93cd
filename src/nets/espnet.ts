import * as v from 'valibot';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { commonOptions, whole } from './options.js';

export const espnetConfig = v.strictObject({
  ...commonOptions,
  /** ESP modules of the second level (α₂). */
  alpha2: v.optional(whole(1, 64), 2),
  /** ESP modules of the third level (α₃). */
  alpha3: v.optional(whole(1, 64), 8),
  /** False leaves the decoder away (ESPNet-C): logits at 1/8. */
  decoder: v.optional(v.boolean(), true),
  /**
   * Channels of the first level that the decoder joins: 16 before the image is joined to them (default, as the code for
   * testing has it), or 19 after, normalised (the code for training, and the CamVid weights).
   */
  detail: v.optional(v.picklist([16, 19]), 16),
});
export type ESPNetOptions = v.InferInput<typeof espnetConfig>;

const eps = 1e-3;

/**
 * ESPNet (Mehta et al., "ESPNet: Efficient Spatial Pyramid of Dilated Convolutions", ECCV 2018), as its published
 * code for testing has it. Names of parameters follow that code, so its weights load by name. Logits at full size.
 */
export const espnet = defineNetwork('espnet', espnetConfig, (b, images, config) => {
  const { encoded, level1, level2 } = b.scope('encoder', () => encoder(b, images, config));
  return config.decoder ? decoder(b, images, config.classes, encoded, level1, level2) : encoded;
});

/** Logits at 1/8, and the features at 1/2 and 1/4 that the decoder joins. */
function encoder(b: Builder, images: Value, config: v.InferOutput<typeof espnetConfig>) {
  const half = { kernels: [3], stride: 2 };
  const image = b.normalizeImage(images, config.normalization);
  const image2 = b.pyramidPool('sample1', image, half);
  const image4 = b.pyramidPool('sample2', image2, half);

  const level1 = convNormAct(b, 'level1', image, 16, 2);
  const joined1 = normAct(b, 'b1', b.concat(level1, image2));

  const first2 = downsample(b, 'level2_0', joined1, 64);
  let last2 = first2;
  for (let i = 0; i < config.alpha2; i++) last2 = esp(b, `level2.${i}`, last2, 64, true);
  const level2 = normAct(b, 'b2', b.concat(last2, first2, image4));

  const first3 = downsample(b, 'level3_0', level2, 128);
  let last3 = first3;
  for (let i = 0; i < config.alpha3; i++) last3 = esp(b, `level3.${i}`, last3, 128, true);
  const level3 = normAct(b, 'b3', b.concat(first3, last3));
  const encoded = b.conv('classifier.conv', level3, { out: config.classes, kernel: 1 });
  return { encoded, level1: config.detail === 19 ? joined1 : level1, level2 };
}

/** Class scores are upsampled step by step, joined with features of each level reduced to as many channels. */
function decoder(
  b: Builder,
  images: Value,
  classes: number,
  encoded: Value,
  level1: Value,
  level2: Value,
): Value {
  const up = (name: string, x: Value, [, height, width]: Value['shape']) =>
    b.convTranspose(name, x, { out: classes, kernel: 2, stride: 2, height, width });
  const from3 = up('up_l3.0', b.batchNorm('br', encoded, { eps }), level2.shape);
  const from2 = b.conv('level3_C.conv', level2, { out: classes, kernel: 1 });
  const joined2 = normAct(b, 'combine_l2_l3.0', b.concat(from2, from3));
  const merged2 = esp(b, 'combine_l2_l3.1', joined2, classes, false);
  const to1 = normAct(b, 'up_l2.1', up('up_l2.0', merged2, level1.shape));
  const merged1 = convNormAct(b, 'conv', b.concat(to1, level1), classes, 1);
  return up('classifier', merged1, images.shape);
}

const normAct = (b: Builder, name: string, x: Value): Value => b.batchNorm(name, x, { act: 'prelu', eps });

/** 3×3, batch norm, PReLU. */
const convNormAct = (b: Builder, name: string, x: Value, out: number, stride: number): Value =>
  normAct(b, name, b.conv(`${name}.conv`, x, { out, kernel: 3, stride }));

/**
 * Channels of a spatial pyramid's input and of its parts. Where there are fewer than five to share among them, the published
 * code gives each none, and with up to four classes nothing of the encoder's levels would reach its decoder: then the pyramid
 * is its first convolution alone.
 */
const partOf = (out: number): number => (out < 5 ? out : Math.floor(out / 5));

/** ESP module: 1×1 reduction to a fifth, the spatial pyramid, the input added, batch norm and PReLU. */
function esp(b: Builder, name: string, x: Value, out: number, add: boolean): Value {
  return b.scope(name, () => {
    const merged = pyramid(b, b.conv('c1.conv', x, { out: partOf(out), kernel: 1 }), out);
    return normAct(b, 'bn', add ? b.add(x, merged) : merged);
  });
}

/** The same with a strided 3×3 as reduction and nothing added. */
function downsample(b: Builder, name: string, x: Value, out: number): Value {
  const merged = b.scope(name, () => {
    const reduced = b.conv('c1.conv', x, { out: partOf(out), kernel: 3, stride: 2 });
    return pyramid(b, reduced, out);
  });
  return normAct(b, name, merged);
}

/**
 * Spatial pyramid: 3×3 convolutions of the same input with dilations 1, 2, 4, 8, 16, concatenated after hierarchical
 * feature fusion (each of the dilated ones adds the sum before it), which removes the grid that dilation leaves.
 */
function pyramid(b: Builder, x: Value, out: number): Value {
  const branch = partOf(out);
  const conv = (dilation: number, width: number) =>
    b.conv(`d${dilation}.conv`, x, { out: width, kernel: 3, dilation });
  if (branch === out) return conv(1, out);
  const parts = [conv(1, out - 4 * branch)];
  let sum = conv(2, branch);
  parts.push(sum);
  for (const dilation of [4, 8, 16]) {
    sum = b.add(sum, conv(dilation, branch));
    parts.push(sum);
  }
  return b.concat(...parts);
}
