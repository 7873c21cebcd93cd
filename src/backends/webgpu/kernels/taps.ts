import type { GpuKernel } from './kernel.js';
import { perQuad, repeat } from './kernel.js';
import { sampleStruct, sampleText } from './resize.js';

export const weightPart: GpuKernel<'weightPart'> = {
  lower({ inputs: { weight }, outputs: { y }, attrs: { ranges, apart } }) {
    const [kh, kw, inputs, outputs] = weight.shape;
    const count = y.shape[2];
    // The input of the weight that is input i of the part.
    let at = 0;
    const steps = ranges.map(([from, some]) => {
      const step = `if (i >= ${at}u) { channel = i - ${at}u + ${from}u; }`;
      at += some;
      return step;
    });
    const place = `
fn source(i: u32) -> u32 {
  var channel = 0u;
  ${steps.join('\n  ')}
  return channel;
}`;
    const element = (k: number) =>
      apart
        ? `weight_ld(((c + ${k}u) / ${outputs}u % ${kh * kw}u * ${inputs}u + channel) * ${weight.pixelStride}u + (c + ${k}u) % ${outputs}u)`
        : `weight_ld((p / ${count}u * ${inputs}u + channel) * ${weight.pixelStride}u + min(c + ${k}u, ${outputs - 1}u))`;
    const elements = [0, 1, 2, 3].map(element).join(', ');
    const statement = `let channel = source(p % ${count}u);\n  y_sq(p, c, vec4f(${elements}));`;
    return [perQuad(y.shape, { weight, y }, statement, place)];
  },
};

export const upsampleTaps: GpuKernel<'upsampleTaps'> = {
  lower({ inputs: { x, sum }, outputs: { y }, attrs }) {
    const { kernel, padding, dilation, height, width } = attrs;
    const [, rows, columns, channels] = y.shape;
    const [, h, w] = x.shape;
    const last = x.shape[3] - 1;
    // Channels of a tap may begin anywhere.
    const quad = (pixel: string) =>
      channels % 4 === 0
        ? `x_q(${pixel}, first)`
        : `vec4f(${[0, 1, 2, 3].map((k) => `x_ld((${pixel}) * ${x.pixelStride}u + min(first + ${k}u, ${last}u))`).join(', ')})`;
    const tap = (t: number) => {
      const [ky, kx] = [Math.floor(t / kernel[1]), t % kernel[1]];
      return `
  {
    let i = at.y + ${ky * dilation[0] - padding[0]};
    let j = at.x + ${kx * dilation[1] - padding[1]};
    if (i >= 0 && i < ${height} && j >= 0 && j < ${width}) {
      let sy = row(u32(i));
      let sx = column(u32(j));
      let top = image + sy.first * ${w}u;
      let bottom = image + sy.second * ${w}u;
      let first = c + ${t * channels}u;
      let a = mix(${quad('top + sx.first')}, ${quad('top + sx.second')}, sx.weight);
      let b = mix(${quad('bottom + sx.first')}, ${quad('bottom + sx.second')}, sx.weight);
      all += mix(a, b, sy.weight);
    }
  }`;
    };
    return [
      perQuad(
        y.shape,
        sum ? { x, sum, y } : { x, y },
        `let at = vec2i(i32(p % ${columns}u), i32(p / ${columns}u % ${rows}u));
  let image = p / ${rows * columns}u * ${h * w}u;
  var all = ${sum ? 'sum_q(p, c)' : 'vec4f(0f)'};
  ${repeat(kernel[0] * kernel[1], tap)}
  y_sq(p, c, all);`,
        `${sampleStruct}${sampleText('row', h, height, attrs)}${sampleText('column', w, width, attrs)}`,
      ),
    ];
  },
};
