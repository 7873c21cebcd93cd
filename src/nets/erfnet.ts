import * as v from 'valibot';
import type { Builder } from '../graph/builder.js';
import type { Shape, Value } from '../ir/value.js';
import { defineNetwork } from './define.js';
import { commonOptions } from './options.js';

export const erfnetConfig = v.strictObject(commonOptions);
export type ERFNetOptions = v.InferInput<typeof erfnetConfig>;

const eps = 1e-3;

/**
 * ERFNet (Romera et al., "ERFNet: Efficient Residual Factorized ConvNet for Real-Time Semantic Segmentation", T-ITS
 * 2018), as its published PyTorch code has it, names of parameters included. Logits at full size.
 */
export const erfnet = defineNetwork('erfnet', erfnetConfig, (b, images, config) => {
  const image = b.normalizeImage(images, config.normalization);
  const { x, sizes } = b.scope('encoder', () => encoder(b, image));
  return b.scope('decoder', () => decoder(b, x, sizes, config.classes));
});

/** Features at 1/8, and the shapes at full size, 1/2 and 1/4 that the decoder returns to. */
function encoder(b: Builder, image: Value) {
  const half = downsample(b, 'initial_block', image, 16);
  const quarter = downsample(b, 'layers.0', half, 64);
  let x = quarter;
  let layer = 1;
  for (let i = 0; i < 5; i++) x = nonBottleneck(b, `layers.${layer++}`, x, 1, 0.03);
  x = downsample(b, `layers.${layer++}`, x, 128);
  for (const dilation of [2, 4, 8, 16, 2, 4, 8, 16]) {
    x = nonBottleneck(b, `layers.${layer++}`, x, dilation, 0.3);
  }
  return { x, sizes: [image.shape, half.shape, quarter.shape] };
}

function decoder(b: Builder, x: Value, [full, half, quarter]: readonly Shape[], classes: number): Value {
  let y = upsample(b, 'layers.0', x, 64, quarter);
  for (const layer of [1, 2]) y = nonBottleneck(b, `layers.${layer}`, y, 1, 0);
  y = upsample(b, 'layers.3', y, 16, half);
  for (const layer of [4, 5]) y = nonBottleneck(b, `layers.${layer}`, y, 1, 0);
  const [, height, width] = full;
  return b.convTranspose('output_conv', y, { out: classes, kernel: 2, stride: 2, height, width, bias: true });
}

/** Strided 3×3 beside a 2×2 max pooling, batch norm, ReLU: half the resolution, `out` channels. */
function downsample(b: Builder, name: string, x: Value, out: number): Value {
  return b.scope(name, () => {
    const conv = b.conv('conv', x, { out: out - x.shape[3], kernel: 3, stride: 2, bias: true });
    const pooled = b.maxPool(x, { kernel: 2, stride: 2, padding: 0 }).y;
    return b.batchNorm('bn', b.concat(conv, pooled), { act: 'relu', eps });
  });
}

/** Non-bottleneck-1D: two 3×3 convolutions, each as 3×1 then 1×3, around a shortcut. The second pair is dilated. */
function nonBottleneck(b: Builder, name: string, x: Value, dilation: number, dropout: number): Value {
  const out = x.shape[3];
  const vertical = [3, 1] as const;
  const horizontal = [1, 3] as const;
  return b.scope(name, () => {
    let y = b.relu(b.conv('conv3x1_1', x, { out, kernel: vertical, bias: true }));
    y = b.conv('conv1x3_1', y, { out, kernel: horizontal, bias: true });
    y = b.batchNorm('bn1', y, { act: 'relu', eps });
    y = b.relu(b.conv('conv3x1_2', y, { out, kernel: vertical, dilation, bias: true }));
    y = b.conv('conv1x3_2', y, { out, kernel: horizontal, dilation, bias: true });
    y = b.dropout(b.batchNorm('bn2', y, { eps }), dropout);
    return b.relu(b.add(x, y));
  });
}

/** Transposed 3×3 of stride 2, batch norm, ReLU. */
function upsample(b: Builder, name: string, x: Value, out: number, [, height, width]: Shape): Value {
  return b.scope(name, () => {
    const y = b.convTranspose('conv', x, { out, kernel: 3, stride: 2, height, width, bias: true });
    return b.batchNorm('bn', y, { act: 'relu', eps });
  });
}
