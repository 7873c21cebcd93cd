import type { WasmKernel } from '../stage.js';
import { overPixels, pixelsOf, pointers, strided } from '../stage.js';

export const multiply: WasmKernel<'multiply'> = {
  lower({ inputs: { a, b }, outputs: { y } }) {
    const { chunks, range } = overPixels(y);
    const shared = pixelsOf(a) / pixelsOf(b);
    return [{ kernel: 'multiply', chunks, args: { ...strided({ a, b, to: y }), ...range, shared } }];
  },
};

export const multiplySum: WasmKernel<'multiplySum'> = {
  lower({ inputs: { a, b }, outputs: { sum } }) {
    const [images, height, width, channels] = a.shape;
    const blocks = Math.ceil(channels / 16);
    return [
      {
        kernel: 'multiplySum',
        chunks: images * blocks,
        args: {
          ...{ ...strided({ a, b }), ...pointers({ sum }), sumStride: 4 * sum.pixelStride },
          ...{ channels, height, width, blocks },
        },
      },
    ];
  },
};
