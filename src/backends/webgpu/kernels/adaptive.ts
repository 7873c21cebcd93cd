import { f32 } from '../shader.js';
import type { GpuKernel } from './kernel.js';
import { imageOf, perQuad, pixelsOf } from './kernel.js';
import { channelSums, channelSumsBytes } from './reduce.js';

/** WGSL of the first pixel of bin i of `bins` over `length` pixels, and of the first after it. */
const binsText = (axis: string, length: number, bins: number): string => `
fn ${axis}Begin(i: u32) -> u32 { return i * ${length}u / ${bins}u; }
fn ${axis}End(i: u32) -> u32 { return ((i + 1u) * ${length}u + ${bins - 1}u) / ${bins}u; }`;

const isGlobal = ({ height, width }: { height: number; width: number }): boolean => height * width === 1;

export const adaptivePool: GpuKernel<'adaptivePool'> = {
  scratch: ({ inputs, attrs }) => (isGlobal(attrs) ? channelSumsBytes(imageOf(inputs.x, 0).shape, 1) : 0),
  lower: (call) => {
    const { x } = call.inputs;
    const { y } = call.outputs;
    const { height, width } = call.attrs;
    const [n, h, w] = x.shape;
    if (isGlobal(call.attrs)) {
      const image = imageOf(x, 0).shape;
      return Array.from({ length: n }, (_, k) =>
        channelSums({
          call,
          tensors: { x: imageOf(x, k), y },
          shape: image,
          rows: 1,
          each: 's0 += x_q(p, c);',
          finish: `y_sq(${k}u, c, s0 * ${f32(1 / pixelsOf(image))});`,
        }),
      ).flat();
    }
    return [
      perQuad(
        y.shape,
        { x, y },
        `let bx = p % ${width}u;
  let by = p / ${width}u % ${height}u;
  let image = p / ${height * width}u * ${h * w}u;
  var sum = vec4f(0f);
  for (var iy = rowBegin(by); iy < rowEnd(by); iy++) {
    for (var ix = columnBegin(bx); ix < columnEnd(bx); ix++) { sum += x_q(image + iy * ${w}u + ix, c); }
  }
  y_sq(p, c, sum / f32((rowEnd(by) - rowBegin(by)) * (columnEnd(bx) - columnBegin(bx))));`,
        binsText('row', h, height) + binsText('column', w, width),
      ),
    ];
  },
};

export const adaptivePoolGrad: GpuKernel<'adaptivePoolGrad'> = {
  lower: ({ inputs: { gy }, outputs: { gx }, attrs: { height, width } }) => {
    const [, bh, bw] = gy.shape;
    return [
      perQuad(
        gx.shape,
        { gy, gx },
        `let x = p % ${width}u;
  let y = p / ${width}u % ${height}u;
  let image = p / ${height * width}u * ${bh * bw}u;
  var sum = vec4f(0f);
  for (var by = y * ${bh}u / ${height}u; by < ((y + 1u) * ${bh}u + ${height - 1}u) / ${height}u; by++) {
    for (var bx = x * ${bw}u / ${width}u; bx < ((x + 1u) * ${bw}u + ${width - 1}u) / ${width}u; bx++) {
      let size = (rowEnd(by) - rowBegin(by)) * (columnEnd(bx) - columnBegin(bx));
      sum += gy_q(image + by * ${bw}u + bx, c) / f32(size);
    }
  }
  gx_sq(p, c, sum);`,
        binsText('row', height, bh) + binsText('column', width, bw),
      ),
    ];
  },
};
