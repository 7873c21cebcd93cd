import type { Value } from '../ir/value.js';
import { sizeOf } from '../ir/value.js';
import { convLength } from './conv.js';
import { expectShape } from './fit.js';
import type { OpDef } from './op.js';
import type { ResizeAttrs } from './resize.js';

/** Consecutive inputs of a weight. */
export type InputRange = readonly [from: number, count: number];

export interface WeightPartAttrs {
  /** In their order. */
  readonly ranges: readonly InputRange[];
  /** Whether each tap's outputs are outputs of their own. */
  readonly apart: boolean;
}

/**
 * The weights from some inputs alone: `kh×kw×count×Cout`, or with `apart` those of a 1×1 convolution that gives what every tap
 * makes of a pixel, `1×1×count×(kh·kw·Cout)`, tap by tap. `weight`: `kh×kw×Cin×Cout`, of one group.
 */
export const weightPart: OpDef<{ weight: Value }, { y: Value }, WeightPartAttrs> = {
  infer({ weight }, { ranges, apart }) {
    const [kh, kw, , outputs] = weight.shape;
    const count = ranges.reduce((sum, range) => sum + range[1], 0);
    return {
      y: { shape: apart ? [1, 1, count, kh * kw * outputs] : [kh, kw, count, outputs], dtype: 'f32' },
    };
  },
  flops: () => 0,
};

/** Of a convolution of stride 1, and of the resampling before it. */
export interface UpsampleTapsAttrs extends ResizeAttrs {
  readonly kernel: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
}

/**
 * What a convolution makes of an upsampled map, from what its taps make of the map before (`weightPart`, `apart`):
 * `y[i, j] = Σ_t u_t[i + d·ty − p, j + d·tx − p] + sum[i, j]`, `u_t` the bilinear resampling of the channels of tap t to `height × width`,
 * zero outside. A convolution is linear and the same everywhere, so it may as well come first where pixels are few.
 * `x`: `N×h×w×(kh·kw·C)`; `y`, `sum`: `N×H×W×C`.
 */
export const upsampleTaps: OpDef<{ x: Value; sum?: Value }, { y: Value }, UpsampleTapsAttrs> = {
  infer({ x, sum }, { kernel, padding, dilation, height, width }) {
    const [rows, columns] = [height, width].map((n, i) =>
      convLength(n, kernel[i], 1, padding[i], dilation[i]),
    );
    const shape = [x.shape[0], rows, columns, x.shape[3] / (kernel[0] * kernel[1])] as const;
    expectShape('upsampleTaps', sum, shape);
    return { y: { shape, dtype: 'f32' } };
  },
  features: ['x', 'sum', 'y'],
  flops: ({ outputs: { y }, attrs: { kernel } }) => 8 * kernel[1] * sizeOf(y.shape),
  inPlace: { y: ['sum'] },
};
