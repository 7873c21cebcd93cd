import type { Shape } from '../../../ir/value.js';
import type { PyramidAttrs } from '../../../ops/pool.js';
import { f32 } from '../shader.js';
import { prologueText } from './convSource.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, preluText } from './kernel.js';

/** Weight of a neighbour at Chebyshev distance r: `Σ 1/k²` over the windows that reach it. */
export function ringWeights(kernels: readonly number[]): number[] {
  const reach = Math.max(...kernels.map((k) => (k - 1) / 2));
  return Array.from({ length: reach + 1 }, (_, r) =>
    kernels.filter((k) => (k - 1) / 2 >= r).reduce((sum, k) => sum + 1 / (k * k), 0),
  );
}

/** Input stride·m + j (j < stride) lies in the windows of results m + least … m + most. */
export function windowsOf({ kernels, stride }: PyramidAttrs): { least: number; most: number } {
  const reach = ringWeights(kernels).length - 1;
  return { least: Math.ceil(-reach / stride), most: Math.floor((stride - 1 + reach) / stride) };
}

/**
 * WGSL of the table as a function, so that no array is indexed at run time; of a float, as absolute differences of integers in a
 * loop gave wrong values on an NVIDIA GPU (driver 580.159).
 */
export const ringText = (rings: readonly number[]): string =>
  `fn ring(r: f32) -> f32 { return ${rings.reduceRight(
    (rest, weight, r) => (rest ? `select(${rest}, ${f32(weight)}, r < ${f32(r + 0.5)})` : f32(weight)),
    '',
  )}; }`;

/** Windows that slide down an image, a column of results at a time. */
export interface Strips {
  /** `N×H×W×C` of the input. */
  readonly from: Shape;
  /** Height and width of the result. */
  readonly height: number;
  readonly width: number;
  /** Rows of a strip. */
  readonly rows: number;
  readonly attrs: PyramidAttrs;
}

/**
 * WGSL of `fn strip(image: u32, x: u32, top: u32, c: u32)`: four channels of the pyramid in column x, rows top …
 * top + rows − 1 of the result, each given to `pooled(p, c, sum)`; reads `xhat_q(p, c)`. Each row of the input is read once
 * per strip: its weighted sums go to all results whose windows it lies in, which move on with it.
 */
export function stripText({
  from: [, h, w],
  height,
  width,
  rows,
  attrs: { kernels, stride },
}: Strips): string {
  const rings = ringWeights(kernels);
  const reach = rings.length - 1;
  const { least, most } = windowsOf({ kernels, stride });
  const sums = Array.from({ length: most - least + 1 }, (_, k) => k);
  const row = (j: number) => {
    const far = sums.map((k) => Math.abs(j - stride * (k + least)));
    const wanted = [...new Set(far)].filter((distance) => distance <= reach);
    return `{
      let y = m * ${stride} + ${j};
      if (y >= 0 && y < ${h}) {
        let at = origin + y * ${w};
        ${wanted.map((d) => `var g${d} = vec4f(0f);`).join(' ')}
        for (var r = 0; r <= ${reach}; r++) {
          var both = across(at, ix - r, c);
          if (r > 0) { both += across(at, ix + r, c); }
          ${wanted.map((d) => `g${d} += ring(f32(max(r, ${d}))) * both;`).join(' ')}
        }
        ${sums.flatMap((k) => (far[k] <= reach ? [`s${k} += g${far[k]};`] : [])).join(' ')}
      }
    }`;
  };
  return `${ringText(rings)}
fn across(row: i32, x: i32, c: u32) -> vec4f {
  if (x < 0 || x >= ${w}) { return vec4f(0f); }
  return xhat_q(u32(row + x), c);
}
fn strip(image: u32, x: u32, top: u32, c: u32) {
  let origin = i32(image * ${h * w}u);
  let ix = i32(x * ${stride}u);
  let end = min(i32(top) + ${rows}, ${height});
  ${sums.map((k) => `var s${k} = vec4f(0f);`).join('\n  ')}
  for (var m = i32(top) - ${most}; m < end - ${least}; m++) {
    ${Array.from({ length: stride }, (_, j) => row(j)).join('\n    ')}
    let done = m + ${least};
    if (done >= i32(top)) { pooled((image * ${height}u + u32(done)) * ${width}u + x, c, s0); }
    ${sums.map((k) => `s${k} = ${k + 1 < sums.length ? `s${k + 1}` : 'vec4f(0f)'};`).join(' ')}
  }
}`;
}

/** Rows of the strips that are offered: longer ones read less, shorter ones are more. */
const stripRows = [4, 8] as const;

export const pyramidPool: GpuKernel<'pyramidPool'> = {
  candidates: ({ inputs, outputs, attrs }) =>
    stripRows.map((rows) => ({
      name: `strips of ${rows}`,
      lower() {
        const [n, height, width, channels] = outputs.y.shape;
        const strips = Math.ceil(height / rows);
        const z = inputs.scale ? 'scale_q(0u, c) * sum + shift_q(0u, c)' : 'sum';
        return [
          perQuad(
            [n, strips, width, channels],
            { ...inputs, ...outputs },
            `strip(p / ${strips * width}u, p % ${width}u, p / ${width}u % ${strips}u * ${rows}u, c);`,
            `${prologueText(inputs)}
fn pooled(p: u32, c: u32, sum: vec4f) {
  let z = ${z};
  y_sq(p, c, ${inputs.slope ? preluText('z', 'slope_q(0u, c)') : 'z'});
}
${stripText({ from: inputs.x.shape, height, width, rows, attrs })}`,
          ),
        ];
      },
    })),
};
