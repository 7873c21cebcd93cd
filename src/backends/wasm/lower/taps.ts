import type { Stage, WasmKernel } from '../stage.js';
import { cut, strided } from '../stage.js';
import { axes, rowBytes } from './resize.js';

export const weightPart: WasmKernel<'weightPart'> = {
  lower({ inputs: { weight }, outputs: { y }, attrs: { ranges, apart } }) {
    const [kh, kw, inputs, outputs] = weight.shape;
    const sizes = { taps: kh * kw, inputs, outputs, apart: Number(apart) };
    let first = 0;
    return ranges.map(([from, some]): Stage => {
      const { span, chunks } = cut(some, 32768 / (kh * kw * outputs));
      const args = { ...strided({ weight, y }), ...sizes, from, first, count: y.shape[2], span };
      first += some;
      return { kernel: 'weightPart', chunks, args };
    });
  },
};

export const upsampleTaps: WasmKernel<'upsampleTaps'> = {
  lower({ inputs: { x, sum }, outputs: { y }, attrs }) {
    const { kernel, padding, dilation, height, width } = attrs;
    const [images, rows, columns, channels] = y.shape;
    const { span, chunks } = cut(images * rows, 65536 / (4 * columns * channels));
    const upsampled = { ...y, shape: [images, height, width, channels] as const };
    return [
      {
        kernel: 'upsampleTaps',
        chunks,
        args: {
          ...strided({ x, sum, y }),
          ...{ channels, rows, columns, span, kernelY: kernel[0], kernelX: kernel[1] },
          ...{ dilationY: dilation[0], dilationX: dilation[1], paddingY: padding[0], paddingX: padding[1] },
          axes: axes(x, upsampled, attrs),
        },
        localBytes: kernel[1] * rowBytes({ ...x, shape: [1, 1, x.shape[2], channels] }),
      },
    ];
  },
};
