import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { perQuad } from './kernel.js';
import { ringText, ringWeights, windowsOf } from './pool.js';

/** Windows in a row that `pyramidPoolGrad` writes out at most. */
const MOST_WRITTEN = 6;

/** A block of stride × stride pixels lies in about the same windows: an invocation reads each of them once for all. */
export const pyramidPoolGrad: GpuKernel<'pyramidPoolGrad'> = {
  lower: ({ inputs, outputs, attrs }) => {
    const { kernels, stride } = attrs;
    const [, oh, ow] = inputs.gy.shape;
    const [n, h, w, channels] = outputs.gx.shape;
    const rings = ringWeights(kernels);
    const { least, most } = windowsOf(attrs);
    const [down, across] = [Math.ceil(h / stride), Math.ceil(w / stride)];
    const offsets = Array.from({ length: stride }, (_, k) => k);
    const block = offsets.flatMap((a) => offsets.map((b) => ({ a, b, sum: `s${a}_${b}` })));
    const windows = Array.from({ length: most - least + 1 }, (_, k) => k + least);
    const isWritten = windows.length <= MOST_WRITTEN;
    const visit = (dx: string, weight: (a: number, b: number) => string | undefined) => `{
      let ox = bx + ${dx};
      if (ox >= 0 && ox < ${ow}) {
        let g = gy_q(u32(row + ox), c);
        ${block.map(({ a, b, sum }) => (weight(a, b) ? `${sum} += ${weight(a, b)} * g;` : '')).join(' ')}
      }
    }`;
    // Weights of pixel a of a block in a row of windows, by the distance across.
    const weights = offsets.flatMap((a) =>
      rings.map(
        (_, far) => `let w${a}_${far} = ring(max(abs(${f32(a)} - f32(dy) * ${f32(stride)}), ${f32(far)}));`,
      ),
    );
    const row = isWritten
      ? [
          ...weights,
          ...windows.map((dx) =>
            visit(`(${dx})`, (a, b) => {
              const far = Math.abs(b - stride * dx);
              return far < rings.length ? `w${a}_${far}` : undefined;
            }),
          ),
        ].join('\n    ')
      : `for (var dx = ${least}; dx <= ${most}; dx++) ${visit(
          'dx',
          (a, b) =>
            `ring(max(abs(${f32(a)} - f32(dy) * ${f32(stride)}), abs(${f32(b)} - f32(dx) * ${f32(stride)})))`,
        )}`;
    const inside = (a: number, b: number) => `y + ${a}u < ${h}u && x + ${b}u < ${w}u`;
    return [
      perQuad(
        [n, down, across, channels],
        { ...inputs, ...outputs },
        `let bx = i32(p % ${across}u);
  let by = i32(p / ${across}u % ${down}u);
  let image = p / ${across * down}u;
  let x = u32(bx) * ${stride}u;
  let y = u32(by) * ${stride}u;
  let first = (image * ${h}u + y) * ${w}u + x;
  ${block.map(({ sum }) => `var ${sum} = vec4f(0f);`).join(' ')}
  for (var dy = ${least}; dy <= ${most}; dy++) {
    let oy = by + dy;
    if (oy < 0 || oy >= ${oh}) { continue; }
    let row = i32(image * ${oh * ow}u) + oy * ${ow};
    ${row}
  }
  ${block
    .map(({ a, b, sum }) => {
      const at = `first + ${a * w + b}u`;
      return `if (${inside(a, b)}) { gx_sq(${at}, c, ${inputs.acc ? `acc_q(${at}, c) + ${sum}` : sum}); }`;
    })
    .join('\n  ')}`,
        ringText([...rings, 0]),
      ),
    ];
  },
};
