import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { eachQuad, lossBytes, lossDispatches } from './lossRows.js';

export const focal: GpuKernel<'focal'> = {
  scratch: lossBytes,
  lower(call) {
    const { classWeights, logits, labels } = call.inputs;
    const { gamma, radius, boundary, ignore } = call.attrs;
    const classes = logits.shape[3];
    const [, height, width] = labels.shape;
    const each = (text: (q: number) => string) => eachQuad(classes, text);
    const hot = (q: number) =>
      `select(vec4f(0f), vec4f(1f), vec4u(${[0, 1, 2, 3].map((k) => `${4 * q + k}u`).join(', ')}) == vec4u(label))`;
    // (1 − p)^γ and (1 − p)^(γ − 1), whose product with p is zero where p is one.
    const powers =
      gamma === 0
        ? 'let power = 1f; let below = 0f;'
        : gamma === 1
          ? 'let power = q; let below = 1f;'
          : `let power = select(0f, pow(q, ${f32(gamma)}), q > 0f); let below = select(0f, power / q, q > 0f);`;
    return lossDispatches(call, {
      tensors: { classWeights },
      mean: true,
      declarations: `
fn isBoundary(image: u32, y: u32, x: u32, label: u32) -> bool {
  let top = max(y, ${radius}u) - ${radius}u;
  let first = max(x, ${radius}u) - ${radius}u;
  for (var i = top; i <= min(y + ${radius}u, ${height - 1}u); i++) {
    for (var k = first; k <= min(x + ${radius}u, ${width - 1}u); k++) {
      let other = labels_ld(((image * ${height}u + i) * ${width}u + k) * ${labels.pixelStride}u);
      if (other != label && other != ${ignore}u && other < ${classes}u) { return true; }
    }
  }
  return false;
}`,
      pixel: `var picked = 0f;
      var mine = 0f;
      var rest = 0f;
      ${each(
        (q) => `let hot${q} = ${hot(q)};
      picked += dot(z${q}, hot${q});
      mine += dot(e${q}, hot${q});
      rest += dot(e${q}, 1f - hot${q});`,
      )}
      let p = mine / total;
      let q = rest / total;
      let logP = picked - high - log(total);
      ${powers}
      let u = ${f32(gamma)} * p * below * logP - power;
      ${each((q) => `let g${q} = u * (hot${q} - e${q} / total);`)}
      var weight = ${classWeights ? 'classWeights_ld(label)' : '1f'};
      ${radius > 0 ? `if (isBoundary(image, y, column_, label)) { weight *= ${f32(1 + boundary)}; }` : ''}
      own += vec4f(-weight * power * logP, weight, 0f, 0f);`,
    });
  },
};
