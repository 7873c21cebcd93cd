import * as v from 'valibot';
import { UserError } from '../errors.js';
import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { imageNorm } from './normalization.js';
import { commonOptions, whole } from './options.js';

const dilation = whole(1, 1024);
const dilationPairs = v.pipe(v.array(v.strictTuple([dilation, dilation])), v.minLength(1), v.maxLength(64));
const even = v.pipe(whole(2, 2048), v.multipleOf(2));

/** Shape of a VNet; defaults are VNet(α = 1, β = 2), 163 K parameters at 19 classes. */
export const vnetConfig = v.strictObject({
  classes: commonOptions.classes,
  /** V modules of stage 2. */
  alpha: v.optional(whole(0, 64), 1),
  /** V modules of stage 3. */
  beta: v.optional(whole(0, 64), 2),
  /** Channels of the three stem convolutions. */
  stem: v.optional(whole(1, 2048), 8),
  /** Channels of stages 2 and 3; even, because V modules work on halves. */
  widths: v.optional(v.strictTuple([even, even]), [64, 152]),
  /** Dilations (F, G) of the V modules of stage 2, repeated when there are more modules. */
  dilations2: v.optional(dilationPairs, [[1, 2]]),
  dilations3: v.optional(dilationPairs, [
    [2, 4],
    [8, 16],
  ]),
  /** Pairs of 3×1 and 1×3 convolutions in each F and G, all with its dilation. */
  pairs: v.optional(whole(1, 4), 1),
  /** Windows of the average poolings of CPP, odd. */
  pyramid: v.optional(v.pipe(v.array(whole(1, 255)), v.minLength(1), v.maxLength(16)), [3, 5, 7]),
});
export type VNetConfig = v.InferOutput<typeof vnetConfig>;
export type VNetOptions = v.InferInput<typeof vnetConfig>;

/**
 * VNet (design section 1; "VNet: A Versatile Network for Efficient Real-Time Semantic Segmentation"). A stem of
 * three 3×3 convolutions, contextual pyramid pooling (CPP) in front of two stages of reversible V modules, logits
 * at 1/8 of the input.
 */
export const vnet = defineNetwork('vnet', vnetConfig, (b, images, config) => {
  const { widths, pyramid } = config;
  const cpp = (name: string, x: Value, width: number) =>
    b.scope(`${name}.cpp`, () => contextualPyramidPooling(b, x, width, pyramid));
  // Stem and first CPP are one region: only the u8 image survives the forward pass.
  let x = b.checkpoint(() => cpp('stage2', stem(b, images, config.stem), widths[0]));
  x = vModules(b, 'stage2', x, config.alpha, config.dilations2, config.pairs);
  x = b.checkpoint(() => cpp('stage3', x, widths[1]));
  x = vModules(b, 'stage3', x, config.beta, config.dilations3, config.pairs);
  // Small logits at first: the loss starts at ln(classes) instead of twice that.
  return b.conv('head', x, { out: config.classes, kernel: 1, bias: true, deviation: 0.01 });
});

/** 3×3 stride 2, then twice 3×3, each with BN and PReLU: `N×H×W×3` → `N×⌈H/2⌉×⌈W/2⌉×channels`. */
function stem(b: Builder, images: Value, channels: number): Value {
  return b.scope('stem', () => {
    const layer = (i: number, x: Value, stride: number): Value => {
      const normalize = i === 1 ? imageNorm : undefined;
      const y = b.conv(`conv${i}`, x, { out: channels, kernel: 3, stride, normalize });
      return b.batchNorm(`norm${i}`, y, { act: 'prelu' });
    };
    // From the image it takes next to nothing, and its result is as large as each that follow.
    const first = b.twice(() => layer(1, images, 2));
    return layer(3, layer(2, first, 1), 1);
  });
}

/** `count` V modules in a row on the halves of `x`; shape unchanged. */
function vModules(
  b: Builder,
  name: string,
  x: Value,
  count: number,
  dilations: readonly (readonly [number, number])[],
  pairs: number,
): Value {
  if (count === 0) return x;
  const half = x.shape[3] / 2;
  let [x1, x2] = b.scope(name, () => b.split(x, [half, half]));
  for (let i = 0; i < count; i++) {
    const [f, g] = dilations[i % dilations.length];
    [x1, x2] = b.reversible(
      `${name}.v${i + 1}`,
      [x1, x2],
      (part) => asymmetric(b, part, f, pairs),
      (part) => asymmetric(b, part, g, pairs),
    );
  }
  return b.scope(name, () => b.concat(x1, x2));
}

/** CPP: `concat(1×1 stride 2 conv, Σₖ avgpool k×k stride 2)`, BN, PReLU; halves the resolution without 3×3 weights. */
export function contextualPyramidPooling(
  b: Builder,
  x: Value,
  out: number,
  kernels: readonly number[],
): Value {
  const channels = x.shape[3];
  if (out <= channels) {
    throw new UserError(
      `\`widths\`: pyramid pooling keeps the ${channels} channels that it is given; expected more than ${channels}, got ${out}`,
    );
  }
  const pointwise = b.conv('pointwise', x, { out: out - channels, kernel: 1, stride: 2 });
  const pooled = b.pyramidPool('pool', x, { kernels, stride: 2 });
  return b.batchNorm('norm', b.concat(pointwise, pooled), { act: 'prelu' });
}

/**
 * F and G of a V module: 3×1 conv, PReLU, 1×3 conv (both with dilation d), BN; keeps the number of channels. Further
 * pairs follow after a PReLU.
 */
function asymmetric(b: Builder, x: Value, dilation: number, pairs: number): Value {
  const out = x.shape[3];
  let y = x;
  for (let i = 0; i < pairs; i++) {
    const suffix = i === 0 ? '' : `_${i + 1}`;
    const vertical = b.prelu(`act${suffix}`, b.conv(`conv1${suffix}`, y, { out, kernel: [3, 1], dilation }));
    const horizontal = b.conv(`conv2${suffix}`, vertical, { out, kernel: [1, 3], dilation });
    y = b.batchNorm(`norm${suffix}`, horizontal, i + 1 < pairs ? { act: 'prelu' } : undefined);
  }
  return y;
}
