/** Convolutions of RGB images, in bytes or floats: `kernels/conv/image.ts`. */
import { imageLocals, mostLines, sizes } from '../abi.js';
import type { Range, Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import { wholeRanges } from '../touches.js';
import type { Conv } from './direct.js';
import { packedRange, packedWeightBytes, packStage } from './direct.js';
import { inputArgs, octsOf, outputArgs } from './geometry.js';
import { convTouches, rowsOfSpan } from './touches.js';

const leastFlops = 2e6;

/** Whether it is one; of floats where weights lie as they do forwards, not transposed. */
export const isOfImage = ({
  x,
  steps,
  prologue,
  padding,
  dilation,
  groups,
  normalize,
  residual,
}: Conv): boolean => {
  const [height, , channels] = steps.weight.shape;
  return (
    (normalize !== undefined || (x.dtype === 'f32' && steps.outputStep === 1)) &&
    x.pixelStride === 3 &&
    channels === 3 &&
    steps.inputs === 3 &&
    height <= mostLines &&
    padding[0] < height &&
    Math.max(...dilation) === 1 &&
    groups === 1 &&
    !prologue?.preScale &&
    !prologue?.preSlope &&
    !residual
  );
};

/** The convolution as the packing of weights sees it: all taps and their channels are the inputs of one. */
function asOneTap(conv: Conv): Conv {
  const [height, width, channels] = conv.steps.weight.shape;
  return {
    ...conv,
    steps: { ...conv.steps, inputs: height * width * channels },
    taps: [{ y: 0, x: 0, source: 0 }],
  };
}

/** Whether weights lie as the kernel reads them. */
const inOrder = ({ steps }: Conv): boolean => steps.outputs === 8;

export const imageWeightBytes = (conv: Conv): number =>
  inOrder(conv) ? 0 : packedWeightBytes(asOneTap(conv).steps, 1, 1);

/** What makes the weights that `imageStage` reads, if anything has to. */
export const imageWeightStages = (conv: Conv, packed: number): Stage[] =>
  inOrder(conv) ? [] : [packStage(asOneTap(conv), packed)];

export function imageStage(conv: Conv, packed: number): Stage {
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
  const weights: Range[] = inOrder(conv) ? wholeRanges(weight) : [packedRange(asOneTap(conv), packed)];
  return {
    kernel: 'convImage',
    chunks,
    touches: convTouches(conv, weights, rowsOfSpan(span, rows)),
    localBytes: imageLocals + sizes.ImageBlock + height * rowBytes,
    args: {
      input: inputArgs(x, 1, {}, normalize),
      output: outputArgs({ y, bias, slope }),
      ...{ rows, columns, span },
      ...{ strideY: stride[0], strideX: stride[1], paddingY: padding[0], paddingX: padding[1] },
      ...{ height, width, weights: inOrder(conv) ? pointer(weight) : packed },
      ...{ wStep: packedWeightBytes(asOneTap(conv).steps, 1, 1) / octsOf(outputs), rowBytes },
    },
  };
}
