/** A pyramid pooling together with the 1×1 convolution beside it, as in CPP: `kernels/conv/pyramid.ts`. */
import type { Call, CallFor } from '../../../graph/planned.js';
import { isDense, pyramidPoolStage } from '../lower/pool.js';
import type { Stage } from '../stage.js';
import { alignLines, madePointer, making } from '../stage.js';
import { algorithmOf } from './algorithm.js';
import { packedRange } from './direct.js';
import { convOf } from './forward.js';
import { pointwiseStage } from './pointwise.js';
import { convTouches } from './touches.js';

interface Beside {
  readonly conv: CallFor<'conv2d'>;
  readonly pool: CallFor<'pyramidPool'>;
}

function besideOf(first: Call, second: Call): Beside | undefined {
  const calls = first.op === 'conv2d' ? [first, second] : [second, first];
  const [conv, pool] = calls;
  if (conv.op !== 'conv2d' || pool.op !== 'pyramidPool') return undefined;
  const { stride } = conv.attrs;
  const fits =
    conv.inputs.x.name === pool.inputs.x.name &&
    stride[0] === pool.attrs.stride &&
    stride[1] === pool.attrs.stride &&
    [1, 2].every((axis) => conv.outputs.y.shape[axis] === pool.outputs.y.shape[axis]) &&
    isDense(pool) &&
    algorithmOf(convOf(conv)).name === 'pointwise';
  return fits ? { conv, pool } : undefined;
}

/** Whether two calls can run as one kernel: both read one map, and give maps of one size. */
export const isBeside = (first: Call, second: Call): boolean => besideOf(first, second) !== undefined;

/** Stages of both calls. */
export function besideStages(first: Call, second: Call): Stage[] {
  const { conv, pool } = besideOf(first, second)!;
  const ofConv = convOf(conv);
  const packed = madePointer(conv);
  const weights = algorithmOf(ofConv).weightStages!(packed);
  const point = pointwiseStage(ofConv, packed);
  const { stage, rows } = pyramidPoolStage(pool);
  const convTouched = convTouches(ofConv, [packedRange(ofConv, packed)], rows);
  const poolBytes = alignLines(stage.localBytes!);
  return [
    ...making(conv, weights),
    {
      kernel: 'convPyramid',
      chunks: stage.chunks,
      args: { pool: stage.args, conv: point.args, ofConv: poolBytes },
      localBytes: poolBytes + point.localBytes!,
      touches: (chunk) => {
        const [pooled, convolved] = [stage.touches!(chunk), convTouched(chunk)];
        return {
          reads: [...pooled.reads, ...convolved.reads],
          writes: [...pooled.writes, ...convolved.writes],
        };
      },
    },
  ];
}
