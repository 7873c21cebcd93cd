import { f32 } from '../shader.js';
import { prologueText } from './convSource.js';
import type { GpuKernel } from './kernel.js';
import { perQuad, preluText } from './kernel.js';

/** Weight of a neighbour at Chebyshev distance r: `Σ 1/k²` over the windows that reach it. */
function ringWeights(kernels: readonly number[]): number[] {
  const reach = Math.max(...kernels.map((k) => (k - 1) / 2));
  return Array.from({ length: reach + 1 }, (_, r) =>
    kernels.filter((k) => (k - 1) / 2 >= r).reduce((sum, k) => sum + 1 / (k * k), 0),
  );
}

/** WGSL of the table as a function, so that no array is indexed at run time. */
const ringText = (rings: readonly number[]): string =>
  `fn ring(r: i32) -> f32 { return ${rings.reduceRight(
    (rest, weight, r) => (rest ? `select(${rest}, ${f32(weight)}, r <= ${r})` : f32(weight)),
    '',
  )}; }`;

export const pyramidPool: GpuKernel<'pyramidPool'> = {
  lower: ({ inputs, outputs, attrs: { kernels, stride } }) => {
    const [, h, w] = inputs.x.shape;
    const [, oh, ow] = outputs.y.shape;
    const rings = ringWeights(kernels);
    const reach = rings.length - 1;
    const columns = Array.from({ length: 2 * reach + 1 }, (_, k) => k - reach);
    const z = `${inputs.scale ? 'scale_q(0u, c) * sum + shift_q(0u, c)' : 'sum'}`;
    return [
      perQuad(
        outputs.y.shape,
        { ...inputs, ...outputs },
        `let ox = i32(p % ${ow}u) * ${stride};
  let oy = i32(p / ${ow}u % ${oh}u) * ${stride};
  let image = p / ${ow * oh}u * ${h * w}u;
  var sum = vec4f(0f);
  for (var dy = max(-${reach}, -oy); dy <= min(${reach}, ${h - 1} - oy); dy++) {
    let row = image + u32(oy + dy) * ${w}u;
    ${columns
      .map((dx) => {
        const weight = `ring(max(abs(dy), ${Math.abs(dx)}))`;
        const inside = dx === 0 ? 'true' : dx < 0 ? `ox >= ${-dx}` : `ox < ${w - dx}`;
        return `if (${inside}) { sum += ${weight} * xhat_q(row + u32(ox + ${dx}), c); }`;
      })
      .join('\n    ')}
  }
  let z = ${z};
  y_sq(p, c, ${inputs.slope ? preluText('z', 'slope_q(0u, c)') : 'z'});`,
        `${ringText(rings)}\n${prologueText(inputs)}`,
      ),
    ];
  },
};

export const pyramidPoolGrad: GpuKernel<'pyramidPoolGrad'> = {
  lower: ({ inputs, outputs, attrs: { kernels, stride } }) => {
    const [, oh, ow] = inputs.gy.shape;
    const [, h, w] = outputs.gx.shape;
    const rings = ringWeights(kernels);
    const reach = rings.length - 1;
    const from = (i: string) =>
      `max(0, (${i} - ${reach} + ${stride - 1 + stride * reach}) / ${stride} - ${reach})`;
    const to = (i: string, n: number) => `min(${n - 1}, (${i} + ${reach}) / ${stride})`;
    return [
      perQuad(
        outputs.gx.shape,
        { ...inputs, ...outputs },
        `let ix = i32(p % ${w}u);
  let iy = i32(p / ${w}u % ${h}u);
  let image = p / ${w * h}u * ${oh * ow}u;
  var sum = ${inputs.acc ? 'acc_q(p, c)' : 'vec4f(0f)'};
  for (var oy = ${from('iy')}; oy <= ${to('iy', oh)}; oy++) {
    for (var ox = ${from('ix')}; ox <= ${to('ix', ow)}; ox++) {
      let far = max(abs(iy - oy * ${stride}), abs(ix - ox * ${stride}));
      sum += ring(far) * gy_q(image + u32(oy * ${ow} + ox), c);
    }
  }
  gx_sq(p, c, sum);`,
        ringText(rings),
      ),
    ];
  },
};
