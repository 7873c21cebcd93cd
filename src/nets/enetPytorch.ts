import type { Activation, Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';

const pooling = { kernel: 2, stride: 2, padding: 0 };

/**
 * ENet as most public PyTorch checkpoints have it (D. Silva's code), which is not quite the authors': the image is
 * pooled 3×3, no convolution has a bias, bottlenecks that reduce resolution have a quarter of their *input's* channels
 * inside, 5×1 comes before 1×5 with batch norm and activation between, expansions are activated too, transposed
 * convolutions are 2×2, the last 3×3, eps is 1e-5. One slope serves all channels of a PReLU there; here each channel
 * starts from it. Parameters have the names of that code.
 * @param old its first versions activated the expansion of upsampling bottlenecks too.
 */
export function enetPytorch(b: Builder, image: Value, classes: number, old: boolean): Value {
  const initial = b.scope('initial_block', () => {
    const conv = b.conv('main_branch', image, { out: 13, kernel: 3, stride: 2 });
    const pooled = b.maxPool(image, { kernel: 3, stride: 2, padding: 1 }).y;
    const norm = b.batchNorm('batch_norm', b.concat(conv, pooled));
    return activate(b, 'out_activation', norm, 'prelu');
  });
  const down1 = downsample(b, 'downsample1_0', initial, 64, 0.01);
  let x = down1.y;
  for (let i = 1; i <= 4; i++) x = regular(b, `regular1_${i}`, x, { dropout: 0.01 });
  const down2 = downsample(b, 'downsample2_0', x, 128, 0.1);
  x = down2.y;
  for (const [stage, first] of [
    [2, 1],
    [3, 0],
  ]) {
    for (const [i, { name, ...middle }] of middles.entries()) {
      x = regular(b, `${name}${stage}_${first + i}`, x, { ...middle, dropout: 0.1 });
    }
  }
  x = upsample(b, 'upsample4_0', x, 64, down2, old);
  for (const i of [1, 2]) x = regular(b, `regular4_${i}`, x, { act: 'relu', dropout: 0.1 });
  x = upsample(b, 'upsample5_0', x, 16, down1, old);
  x = regular(b, 'regular5_1', x, { act: 'relu', dropout: 0.1 });
  const [, height, width] = image.shape;
  return b.convTranspose('transposed_conv', x, { out: classes, kernel: 3, stride: 2, height, width });
}

interface Middle {
  readonly dilation?: number;
  /** n×1 then 1×n in place of 3×3. */
  readonly asymmetric?: number;
}

/** Bottlenecks of stages 2 and 3. */
const middles: readonly (Middle & { readonly name: string })[] = [
  { name: 'regular' },
  { name: 'dilated', dilation: 2 },
  { name: 'asymmetric', asymmetric: 5 },
  { name: 'dilated', dilation: 4 },
  { name: 'regular' },
  { name: 'dilated', dilation: 8 },
  { name: 'asymmetric', asymmetric: 5 },
  { name: 'dilated', dilation: 16 },
];

const activate = (b: Builder, name: string, x: Value, act: Activation): Value =>
  act === 'relu' ? b.relu(x) : b.prelu(name, x);

/** Batch norm and activation as elements `i` and `i + 1` of a sequence. */
const normAct = (b: Builder, i: number, x: Value, act: Activation): Value =>
  activate(b, `${i + 1}`, b.batchNorm(`${i}`, x), act);

/** Convolution, batch norm, activation as a sequence. */
const layer = (
  b: Builder,
  name: string,
  x: Value,
  act: Activation,
  options: Parameters<Builder['conv']>[2],
): Value => b.scope(name, () => normAct(b, 1, b.conv('0', x, options), act));

interface RegularOptions extends Middle {
  readonly act?: Activation;
  readonly dropout: number;
}

function regular(b: Builder, name: string, x: Value, options: RegularOptions): Value {
  const { dilation, asymmetric, act = 'prelu', dropout } = options;
  const channels = x.shape[3];
  const out = channels >> 2;
  return b.scope(name, () => {
    let y = layer(b, 'ext_conv1', x, act, { out, kernel: 1 });
    if (asymmetric) {
      const reduced = y;
      y = b.scope('ext_conv2', () => {
        const column = normAct(b, 1, b.conv('0', reduced, { out, kernel: [asymmetric, 1] }), act);
        return normAct(b, 4, b.conv('3', column, { out, kernel: [1, asymmetric] }), act);
      });
    } else y = layer(b, 'ext_conv2', y, act, { out, kernel: 3, dilation });
    y = layer(b, 'ext_conv3', y, act, { out: channels, kernel: 1 });
    return activate(b, 'out_activation', b.add(x, b.dropout(y, dropout)), act);
  });
}

/** A pooling that an upsampling bottleneck undoes: where its maxima were, and the size it came from. */
interface Pooled {
  readonly index: Value;
  readonly size: Value['shape'];
}

function downsample(b: Builder, name: string, x: Value, out: number, dropout: number): Pooled & { y: Value } {
  const channels = x.shape[3];
  const inner = channels >> 2;
  return b.scope(name, () => {
    const { y: pooled, index } = b.maxPool(x, pooling);
    let y = layer(b, 'ext_conv1', x, 'prelu', { out: inner, kernel: 2, stride: 2 });
    y = layer(b, 'ext_conv2', y, 'prelu', { out: inner, kernel: 3 });
    y = b.dropout(layer(b, 'ext_conv3', y, 'prelu', { out, kernel: 1 }), dropout);
    const [shared, rest] = b.split(y, [channels, out - channels]);
    const sum = b.concat(b.add(pooled, shared), rest);
    return { y: b.prelu('out_activation', sum), index, size: x.shape };
  });
}

function upsample(
  b: Builder,
  name: string,
  x: Value,
  out: number,
  { index, size: [, height, width] }: Pooled,
  old: boolean,
): Value {
  const inner = x.shape[3] >> 2;
  return b.scope(name, () => {
    const main = b.scope('main_conv1', () => b.batchNorm('1', b.conv('0', x, { out, kernel: 1 })));
    const unpooled = b.maxUnpool(main, index, { ...pooling, height, width });
    const reduced = layer(b, 'ext_conv1', x, 'relu', { out: inner, kernel: 1 });
    const wide = b.convTranspose('ext_tconv1', reduced, { out: inner, kernel: 2, stride: 2, height, width });
    const y = b.relu(b.batchNorm('ext_tconv1_bnorm', wide));
    const expanded = b.scope('ext_conv2', () => b.batchNorm('1', b.conv('0', y, { out, kernel: 1 })));
    const branch = b.dropout(old ? b.relu(expanded) : expanded, 0.1);
    return b.relu(b.add(unpooled, branch));
  });
}
