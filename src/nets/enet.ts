import * as v from 'valibot';
import type { Activation, Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { enetPytorch } from './enetPytorch.js';
import { commonOptions } from './options.js';

export const enetConfig = v.strictObject({
  ...commonOptions,
  /** Whose: the authors' (default), or that of most public PyTorch checkpoints, see {@link enetPytorch}. */
  variant: v.optional(v.picklist(['torch', 'pytorch', 'pytorch-old']), 'torch'),
  /** Activation of the authors' decoder: ReLU (default, their code), or PReLU (their Cityscapes weights). */
  decoder: v.optional(v.picklist(['relu', 'prelu']), 'relu'),
});
export type ENetOptions = v.InferInput<typeof enetConfig>;

const eps = 1e-3;
const pooling = { kernel: 2, stride: 2, padding: 0 };

/**
 * ENet (Paszke et al., "ENet: A Deep Neural Network Architecture for Real-Time Semantic Segmentation", 2016), as the
 * authors' Torch code has it: where the paper leaves open which convolutions have a bias, this follows the code.
 * Logits at full size.
 */
export const enet = defineNetwork('enet', enetConfig, (b, images, config) => {
  const image = b.normalizeImage(images, config.normalization);
  const { variant, classes, decoder: act } = config;
  if (variant !== 'torch') return enetPytorch(b, image, classes, variant === 'pytorch-old');
  const initial = b.scope('initial', () => initialBlock(b, image));
  const down1 = downsample(b, 'bottleneck1.0', initial, 64, 0.01);
  let x = down1.y;
  for (let i = 1; i <= 4; i++) x = regular(b, `bottleneck1.${i}`, x, { dropout: 0.01 });
  const down2 = downsample(b, 'bottleneck2.0', x, 128, 0.1);
  x = down2.y;
  for (const stage of [2, 3]) {
    stages.forEach((middle, i) => {
      x = regular(b, `bottleneck${stage}.${i + 1}`, x, { ...middle, dropout: 0.1 });
    });
  }
  x = upsample(b, 'bottleneck4.0', x, 64, down2, act);
  for (const i of [1, 2]) x = regular(b, `bottleneck4.${i}`, x, { act });
  x = upsample(b, 'bottleneck5.0', x, 16, down1, act);
  x = regular(b, 'bottleneck5.1', x, { act });
  const [, height, width] = images.shape;
  return b.convTranspose('fullconv', x, {
    out: classes,
    kernel: 2,
    stride: 2,
    height,
    width,
    bias: true,
  });
});

interface Middle {
  readonly dilation?: number;
  /** n×1 then 1×n in place of 3×3. */
  readonly asymmetric?: number;
}

/** Bottlenecks 2.1–2.8, and again 3.1–3.8. */
const stages: readonly Middle[] = [
  {},
  { dilation: 2 },
  { asymmetric: 5 },
  { dilation: 4 },
  {},
  { dilation: 8 },
  { asymmetric: 5 },
  { dilation: 16 },
];

/** 3×3 stride 2 to 13 channels beside the pooled image, batch norm, PReLU. */
function initialBlock(b: Builder, image: Value): Value {
  const conv = b.conv('conv', image, { out: 13, kernel: 3, stride: 2, bias: true });
  return b.batchNorm('norm', b.concat(conv, b.maxPool(image, pooling).y), { act: 'prelu', eps });
}

const activate = (b: Builder, name: string, x: Value, act: Activation): Value =>
  act === 'relu' ? b.relu(x) : b.prelu(name, x);

/** What all bottlenecks share: reduce to a quarter of the output, a convolution, expand with a 1×1, batch norm. */
function branch(
  b: Builder,
  x: Value,
  out: number,
  act: Activation,
  reduce: { readonly kernel: number; readonly stride: number },
  convolve: (reduced: Value) => Value,
): Value {
  const reduced = b.conv('reduce', x, { out: out / 4, ...reduce });
  const middle = convolve(b.batchNorm('norm1', reduced, { act, eps }));
  const expanded = b.conv('expand', b.batchNorm('norm2', middle, { act, eps }), { out, kernel: 1 });
  return b.batchNorm('norm3', expanded, { eps });
}

interface RegularOptions extends Middle {
  readonly act?: Activation;
  readonly dropout?: number;
}

/** The branch beside the identity. */
function regular(b: Builder, name: string, x: Value, options: RegularOptions): Value {
  const { dilation, asymmetric, act = 'prelu', dropout = 0 } = options;
  return b.scope(name, () => {
    const y = branch(b, x, x.shape[3], act, { kernel: 1, stride: 1 }, (reduced) => {
      const out = reduced.shape[3];
      if (!asymmetric) return b.conv('conv', reduced, { out, kernel: 3, dilation, bias: true });
      const first = b.conv('conv1', reduced, { out, kernel: [1, asymmetric] });
      return b.conv('conv2', first, { out, kernel: [asymmetric, 1], bias: true });
    });
    return activate(b, 'act', b.add(x, b.dropout(y, dropout)), act);
  });
}

/** A pooling that an upsampling bottleneck undoes: where its maxima were, and the size it came from. */
interface Pooled {
  readonly index: Value;
  readonly size: Value['shape'];
}

/** The branch with a strided 2×2 as reduction, beside max pooling; missing channels of the pooling are zeros. */
function downsample(b: Builder, name: string, x: Value, out: number, dropout: number): Pooled & { y: Value } {
  return b.scope(name, () => {
    const { y: pooled, index } = b.maxPool(x, pooling);
    const extended = branch(b, x, out, 'prelu', { kernel: 2, stride: 2 }, (reduced) =>
      b.conv('conv', reduced, { out: reduced.shape[3], kernel: 3, bias: true }),
    );
    const channels = x.shape[3];
    const [shared, rest] = b.split(b.dropout(extended, dropout), [channels, out - channels]);
    const sum = b.concat(b.add(pooled, shared), rest);
    return { y: b.prelu('act', sum), index, size: x.shape };
  });
}

/** The branch with a transposed 3×3, beside a 1×1 and unpooling to where the encoder's maxima were. */
function upsample(
  b: Builder,
  name: string,
  x: Value,
  out: number,
  { index, size }: Pooled,
  act: Activation,
): Value {
  const [, height, width] = size;
  return b.scope(name, () => {
    const extended = branch(b, x, out, act, { kernel: 1, stride: 1 }, (reduced) =>
      b.convTranspose('conv', reduced, {
        out: reduced.shape[3],
        kernel: 3,
        stride: 2,
        height,
        width,
        bias: true,
      }),
    );
    const main = b.batchNorm('main.norm', b.conv('main.conv', x, { out, kernel: 1 }), { eps });
    const unpooled = b.maxUnpool(main, index, { ...pooling, height, width });
    return activate(b, 'act', b.add(unpooled, extended), act);
  });
}
