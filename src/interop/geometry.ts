import type { Shape } from '../ir/value.js';
import type { ConvAttrs } from '../ops/conv.js';
import type { WindowAttrs } from '../ops/maxpool.js';

/** Values of `[kh, kw, in, out]` as `[out, in, kh, kw]`. */
export function convolutionAxes(data: Float32Array, [kh, kw, inner, outer]: Shape): Float32Array {
  const result = new Float32Array(data.length);
  for (let k = 0; k < kh * kw; k++) {
    for (let i = 0; i < inner; i++) {
      for (let o = 0; o < outer; o++)
        result[(o * inner + i) * kh * kw + k] = data[(k * inner + i) * outer + o];
    }
  }
  return result;
}

/** `output_padding` of a transposed convolution: rows and columns that its windows alone do not reach. */
export function transposePads(
  x: Shape,
  weight: Shape,
  attrs: ConvAttrs & { readonly height: number; readonly width: number },
): number[] {
  const target = [attrs.height, attrs.width];
  return [0, 1].map((axis) => {
    const reach = attrs.dilation[axis] * (weight[axis] - 1) + 1;
    return target[axis] - (attrs.stride[axis] * (x[axis + 1] - 1) + reach - 2 * attrs.padding[axis]);
  });
}

/** `pads` of a pooling that gives `⌈n/stride⌉` outputs for every n: `⌊(n + pads − kernel)/stride⌋ = ⌊(n − 1)/stride⌋`. */
export function poolPads({ kernel, padding }: WindowAttrs): number[] {
  const after = kernel - 1 - padding;
  return [padding, padding, after, after];
}

/** The matrix that averages `length` pixels into `bins` (see `adaptivePool`): `bins×length`, or its transpose. */
export function averageMatrix(length: number, bins: number, transposed: boolean): Float32Array {
  const matrix = new Float32Array(length * bins);
  for (let bin = 0; bin < bins; bin++) {
    const first = Math.floor((bin * length) / bins);
    const end = Math.ceil(((bin + 1) * length) / bins);
    for (let i = first; i < end; i++)
      matrix[transposed ? i * bins + bin : bin * length + i] = 1 / (end - first);
  }
  return matrix;
}
