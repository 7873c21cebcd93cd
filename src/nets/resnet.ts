import type { Builder } from '../graph/builder.js';
import type { Value } from '../ir/value.js';
import type { Corners } from '../ops/resize.js';

/** Options of `convNorm`; padding keeps the size at stride 1. */
export interface ConvNormOptions {
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly groups?: number;
  /** Default true. */
  readonly relu?: boolean;
}

/** Convolution without bias, batch norm, and ReLU unless `relu` is false; the names are those of the two layers. */
export function convNorm(
  b: Builder,
  [conv, norm]: readonly [conv: string, norm: string],
  x: Value,
  { relu = true, ...options }: ConvNormOptions,
): Value {
  return b.batchNorm(norm, b.conv(conv, x, options), relu ? { act: 'relu' } : {});
}

/** How a stage of residual blocks treats resolution. */
export interface StageOptions {
  readonly blocks: number;
  /** Channels inside a block. */
  readonly width: number;
  /** Of the first block. */
  readonly stride?: number;
  readonly dilation?: number;
}

/** Residual blocks `layerN.0`, `layerN.1`, … named as torchvision names them. */
function stage(
  b: Builder,
  name: string,
  x: Value,
  { blocks, stride = 1 }: StageOptions,
  out: number,
  branch: (x: Value, stride: number) => Value,
): Value {
  let y = x;
  for (let i = 0; i < blocks; i++) {
    const step = i === 0 ? stride : 1;
    y = b.scope(`${name}.${i}`, () => {
      const projected = step > 1 || y.shape[3] !== out;
      const options = { out, kernel: 1, stride: step, relu: false };
      const shortcut = projected ? convNorm(b, ['downsample.0', 'downsample.1'], y, options) : y;
      return b.relu(b.add(shortcut, branch(y, step)));
    });
  }
  return y;
}

/** ResNet's basic blocks (He et al. 2016): two 3×3 convolutions. */
export const basicStage = (b: Builder, name: string, x: Value, options: StageOptions): Value =>
  stage(b, name, x, options, options.width, (y, stride) => {
    const first = convNorm(b, ['conv1', 'bn1'], y, { out: options.width, kernel: 3, stride });
    return convNorm(b, ['conv2', 'bn2'], first, { out: options.width, kernel: 3, relu: false });
  });

/** ResNet's bottlenecks: 1×1, 3×3 (strided or dilated), 1×1 to four times the width. */
export const bottleneckStage = (b: Builder, name: string, x: Value, options: StageOptions): Value => {
  const { width, dilation } = options;
  return stage(b, name, x, options, 4 * width, (y, stride) => {
    const reduced = convNorm(b, ['conv1', 'bn1'], y, { out: width, kernel: 1 });
    const middle = convNorm(b, ['conv2', 'bn2'], reduced, { out: width, kernel: 3, stride, dilation });
    return convNorm(b, ['conv3', 'bn3'], middle, { out: 4 * width, kernel: 1, relu: false });
  });
};

/** Pyramid pooling (Zhao et al. 2017): averages over n×n bins for each n, each transformed, at the size of `x` again. */
export function pyramidOfBins(
  b: Builder,
  x: Value,
  bins: readonly number[],
  { alignCorners }: Corners,
  transform: (pooled: Value, level: number) => Value,
): Value[] {
  const [, height, width] = x.shape;
  return bins.map((n, level) =>
    b.resize(transform(b.adaptivePool(x, n, n), level), height, width, { alignCorners }),
  );
}
