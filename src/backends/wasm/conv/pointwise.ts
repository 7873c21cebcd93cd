/** Convolutions of one tap: `kernels/conv/pointwise.ts`. */
import { sizes } from '../abi.js';
import type { StageOf } from '../stage.js';
import { cut } from '../stage.js';
import type { DirectConv } from './direct.js';
import { gridOf, isOfOneTap, leastFlops, mostChunks, packedRange } from './direct.js';
import { inputArgs, octsOf, outputArgs } from './geometry.js';
import { convTouches, rowsOfSpan } from './touches.js';

/** Whether every output is the product of one pixel, as it lies: `kernels/conv/pointwise.ts`. */
export function isPointwise(conv: DirectConv): boolean {
  const [rows, columns] = gridOf(conv);
  const { x, prologue, normalize, stride, groups } = conv;
  return (
    isOfOneTap(conv) &&
    groups === 1 &&
    !normalize &&
    !prologue?.preScale &&
    !prologue?.preSlope &&
    (rows - 1) * stride[0] < x.shape[1] &&
    (columns - 1) * stride[1] < x.shape[2]
  );
}

/** `packed`: weights as `packStage` leaves them. */
export function pointwiseStage(conv: DirectConv, packed: number): StageOf<'convPointwise'> {
  const [rows, columns] = gridOf(conv);
  const { x, y, steps, stride } = conv;
  const flopsPerRow = 2 * columns * steps.inputs * steps.outputs;
  const { span, chunks } = cut(x.shape[0] * rows, leastFlops / flopsPerRow, mostChunks);
  const ones = 32 * octsOf(y.shape[3]);
  return {
    kernel: 'convPointwise',
    chunks,
    touches: convTouches(conv, [packedRange(conv, packed)], rowsOfSpan(span, rows)),
    localBytes: 2 * ones + sizes.PointBlock + 32,
    args: {
      input: inputArgs(x, 1),
      output: outputArgs(conv, 1, conv.origin, conv.step),
      ...{ rows, columns, span, strideY: stride[0], strideX: stride[1] },
      ...{ weights: packed, ones },
    },
  };
}
