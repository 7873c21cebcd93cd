import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { eachQuad, lanes, lossBytes, lossDispatches } from './lossRows.js';

export const crossEntropy: GpuKernel<'crossEntropy'> = {
  scratch: lossBytes,
  lower(call) {
    const { classWeights, logits } = call.inputs;
    const { labelSmoothing } = call.attrs;
    const classes = logits.shape[3];
    const each = (text: (q: number) => string) => eachQuad(classes, text);
    const hot = (q: number) =>
      `select(vec4f(0f), vec4f(1f), vec4u(${[0, 1, 2, 3].map((k) => `${4 * q + k}u`).join(', ')}) == vec4u(label))`;
    const hit = f32(1 - labelSmoothing);
    const smooth = f32(labelSmoothing / classes);
    return lossDispatches(call, {
      tensors: { classWeights },
      mean: true,
      pixel: `var picked = 0f;
      var mean = 0f;
      ${each(
        (q) => `let hot${q} = ${hot(q)};
      picked += dot(z${q}, hot${q});
      mean += dot(z${q}, ${lanes(classes, q, '1f', '0f')});
      let g${q} = e${q} / total - ${hit} * hot${q} - ${smooth};`,
      )}
      let weight = ${classWeights ? 'classWeights_ld(label)' : '1f'};
      own += vec4f(weight * (log(total) + high - ${hit} * picked - ${smooth} * mean), weight, 0f, 0f);`,
    });
  },
};
