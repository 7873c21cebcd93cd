/** Convolutions of RGB images in bytes: `kernels/conv/image.ts`. */
import { mostLines } from '../abi.js';
import type { Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import { wholeRanges } from '../touches.js';
import type { Conv } from './direct.js';
import { inputArgs, outputArgs } from './geometry.js';
import { convTouches, rowsOfSpan } from './touches.js';

const leastFlops = 2e6;

export const isOfImage = ({ x, steps, padding, dilation, groups, normalize, residual }: Conv): boolean => {
  const [height, , channels, outputs] = steps.weight.shape;
  return (
    normalize !== undefined &&
    x.pixelStride === 3 &&
    channels === 3 &&
    outputs % 8 === 0 &&
    height <= mostLines &&
    padding[0] < height &&
    Math.max(...dilation) === 1 &&
    groups === 1 &&
    !residual
  );
};

export function imageStage(conv: Conv): Stage {
  const { x, y, steps, bias, slope, stride, padding, normalize } = conv;
  const { weight } = steps;
  const [height, width, channels, outputs] = weight.shape;
  const [images, rows, columns] = y.shape;
  // The last block of pixels, four or six, reads this far.
  const last = Math.max(...[4, 6].map((block) => block * Math.ceil(columns / block))) - 1;
  const reach = last * stride[1] + width;
  const pixels = 4 + Math.max(reach, padding[1] + x.shape[2]);
  const rowBytes = 16 * Math.ceil((12 * pixels) / 16);
  const flopsPerRow = 2 * columns * height * width * channels * outputs;
  const { span, chunks } = cut(images * rows, leastFlops / flopsPerRow, 128);
  return {
    kernel: 'convImage',
    chunks,
    touches: convTouches(conv, wholeRanges(weight), rowsOfSpan(span, rows)),
    localBytes: 4 * mostLines + 64 + height * rowBytes,
    args: {
      input: inputArgs(x, 1, {}, normalize),
      output: outputArgs({ y, bias, slope }),
      ...{ rows, columns, span },
      ...{ strideY: stride[0], strideX: stride[1], paddingY: padding[0], paddingX: padding[1] },
      ...{ height, width, weights: pointer(weight), rowBytes },
    },
  };
}
