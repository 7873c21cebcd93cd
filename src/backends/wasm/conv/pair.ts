/** A 3×1 convolution together with the 1×3 convolution after it: `kernels/conv/pair.ts`. */
import type { Call, TensorRef } from '../../../graph/planned.js';
import type { Stage } from '../stage.js';
import { cut, madePointer, making } from '../stage.js';
import { memoryRange, wholeRanges } from '../touches.js';
import { winograd1dForm } from './algorithm.js';
import type { Conv } from './direct.js';
import { convOf } from './forward.js';
import { inputArgs, octsOf, outputArgs, quadsOf } from './geometry.js';
import { convTouches, rowsOfSpan } from './touches.js';
import type { WinogradForm } from './winograd1d.js';
import {
  coefficients,
  leastFlops,
  mostChunks,
  packStage,
  planeTable,
  stripOf,
  tileArgs,
  tileLocals,
  tilesAlong,
  winogradBytes,
} from './winograd1d.js';

/** Whether two calls can run as one kernel: the second alone reads what the first gives. */
export const isPair = (first: Call, second: Call): boolean => pairOf(first, second) !== undefined;

interface Pair {
  readonly down: Conv & { readonly form: WinogradForm };
  readonly along: Conv & { readonly form: WinogradForm };
}

function pairOf(first: Call, second: Call): Pair | undefined {
  if (first.op !== 'conv2d' || second.op !== 'conv2d') return undefined;
  if (second.inputs.x.name !== first.outputs.y.name) return undefined;
  const [down, along] = [convOf(first), convOf(second)];
  const [downForm, alongForm] = [winograd1dForm(down), winograd1dForm(along)];
  const chained =
    downForm?.axis === 0 &&
    alongForm?.axis === 1 &&
    !alongForm.rows &&
    downForm.i16 === alongForm.i16 &&
    !down.residual &&
    [1, 2].every((axis) => [down.y, along.y].every((tensor) => tensor.shape[axis] === down.x.shape[axis]));
  return chained ? { down: { ...down, form: downForm }, along: { ...along, form: alongForm } } : undefined;
}

const pick = ({ x, prologue, stride, taps }: Conv) => ({ x, prologue, stride, taps });

/** Stages of both calls; the tensor between is not written. */
export function pairStages(first: Call, second: Call): Stage[] {
  const { down, along } = pairOf(first, second)!;
  const [at, next] = [first, second].map(madePointer);
  const bytes = winogradBytes(down.form, down.steps) / coefficients;
  const nextBytes = winogradBytes(along.form, along.steps) / coefficients;
  const { x, y: middle } = down;
  const { y } = along;
  const [images, height, width] = middle.shape;

  const d = down.form.dilation;
  const pixel = 16 * quadsOf(middle.shape[3]);
  // A whole number of bytes for each of the d rows that a row of the middle stands for.
  const row = 16 * d * Math.ceil((width * pixel) / (16 * d));
  const octs = [x, middle, y].map((ref) => octsOf(ref.shape[3]));
  const most = Math.max(...octs);
  const locals = tileLocals(most, most, 1);
  const flops = (first.flops + second.flops) / (images * tilesAlong(height, d));
  const { span, chunks } = cut(images * tilesAlong(height, d), leastFlops / flops, mostChunks);

  const between = inputArgs(middle, 1, along.prologue);
  const inner = outputArgs(down);
  const table = planeTable(down.form, 0, Math.max(x.shape[3], middle.shape[3]));
  const fourRows: TensorRef = { ...middle, shape: [1, 4, width, middle.shape[3]] };
  const weights = [
    ...making(first, [packStage(down.form, down.steps, false, at)]),
    ...making(second, [packStage(along.form, along.steps, false, next)]),
  ];
  const tileRows = rowsOfSpan(span, tilesAlong(height, d));
  const packed = [memoryRange(at, 6 * bytes), memoryRange(next, 6 * nextBytes)];
  const vectors = wholeRanges(down.bias, down.slope, ...Object.values(along.prologue ?? {}));
  // Rows as the second convolution writes them, as far apart as the first one reads.
  const reach = { ...along, ...pick(down) };
  const touches = convTouches(reach, [...packed, ...vectors], (chunk) => {
    const [[n, first], [m, last]] = tileRows(chunk);
    if (n !== m)
      return [
        [n, 0],
        [m, height - 1],
      ];
    const tiles = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const positions = tiles.map((tile) => 4 * tile - 3 * (tile % d));
    return [
      [n, Math.min(...positions)],
      [n, Math.min(height - 1, Math.max(...positions) + 3 * d)],
    ];
  });
  return [
    ...weights,
    {
      kernel: down.form.i16 ? 'convWinograd1dPairI16' : 'convWinograd1dPair',
      chunks,
      touches,
      localBytes: locals.bytes + 4 * row + 32,
      args: {
        input: inputArgs(x, 1, down.prologue),
        inner: { ...inner, y: 0, image: 0, row: row / d, pixel },
        down: tileArgs(down.form, middle, [at, bytes], locals, table),
        between: { ...between, image: 4 * row, row, pixel, height: 4, width },
        output: outputArgs(along, 1, [0, 0], [d, 1]),
        along: tileArgs(along.form, fourRows, [next, nextBytes], locals, table),
        ...{ span, strip: stripOf(width), middle: locals.bytes },
      },
    },
  ];
}
