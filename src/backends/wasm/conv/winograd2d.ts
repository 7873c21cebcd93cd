/** Two-dimensional Winograd F(4×4, 3×3): `kernels/conv/winograd2d.ts`. */
import { constantBytes, lineBytes, packBytes, planeBytes, tileBytes } from '../abi.js';
import type { Stage } from '../stage.js';
import { cut, pointer } from '../stage.js';
import type { RowOf } from '../touches.js';
import { memoryRange, wholeRanges } from '../touches.js';
import type { DirectConv, WeightSteps } from './direct.js';
import { inputArgs, octsOf, outputArgs, quadsOf, quadTable } from './geometry.js';
import { convTouches, rowsOfSpan } from './touches.js';
import { stripOf } from './winograd1d.js';

/** Of a strip; its columns, with two more for each row of tiles, fit in a line. */
const mostTiles = 36;
const mostColumns = lineBytes / 32;
const coefficients = 36;

/** Floating-point operations, of the direct form, worth taking a chunk for. */
const leastFlops = 8e6;

/** With fewer chunks than this, chunks share their tiles, so many times eight outputs each: transforms of inputs cost a tenth. */
const fewChunks = 8;
const leastShare = 16;
/** Where there is but one, each thread takes a share of it; of so many times eight outputs at least. */
const leastShareOfOne = 4;

export const tilesAlong = (length: number): number => Math.ceil(length / 4);

/** Bytes of transformed weights. */
export const winograd2dBytes = ({ inputs, outputs }: Pick<WeightSteps, 'inputs' | 'outputs'>): number =>
  coefficients * 128 * quadsOf(inputs) * octsOf(outputs);

/** Transforms the weights to `packed`; with `flipped` taps, the last one comes first. */
export function packStage(steps: WeightSteps, flipped: boolean, packed: number): Stage {
  const { inputs, outputs, inputStep, outputStep, weight } = steps;
  const tapBytes = 4 * inputs * outputs;
  const way = flipped ? -1 : 1;
  const first = pointer(weight) + (flipped ? 8 * tapBytes : 0);
  return {
    kernel: 'convPackWinograd2d',
    chunks: octsOf(outputs),
    touches: () => ({
      reads: wholeRanges(weight),
      writes: [memoryRange(packed, winograd2dBytes(steps))],
    }),
    localBytes: packBytes,
    args: {
      ...{ w: first, tapStep: way * tapBytes, rowStep: way * 3 * tapBytes },
      ...{ inputStep: 4 * inputStep, outputStep: 4 * outputStep },
      ...{ inputs, outputs, packed, coefficientBytes: winograd2dBytes(steps) / coefficients },
    },
  };
}

/** Where pieces are fewer, two threads wait for each other at the end of an odd number. */
const manyPieces = 16;

/** Rows of tiles in a strip, at most `most` of `total`: in strips alike, since each reads all weights. */
function rowsTogether(total: number, most: number): number {
  const least = Math.ceil(total / most);
  for (const pieces of [least, least + 1]) {
    const together = Math.ceil(total / pieces);
    const all = Math.ceil(total / together);
    if (all === 1 || all % 2 === 0 || all >= manyPieces) return together;
  }
  return Math.ceil(total / least);
}

/** The convolution; `packed`: weights as `packStage` leaves them. */
export function winograd2dStage(
  conv: DirectConv,
  padding: readonly [number, number],
  dilation: readonly [number, number],
  packed: number,
  threads: number,
): Stage {
  const { x, prologue, y, steps } = conv;
  const { inputs, outputs } = steps;
  const [down, along] = dilation;
  // Each residue of rows and columns is an image of its own.
  const parts = down * along;
  const [height, width] = [y.shape[1] / down, y.shape[2] / along];
  const whole = inputArgs(x, 1, prologue);
  const [inOcts, outOcts] = [octsOf(inputs), octsOf(outputs)];
  const flops = 8 * width * 9 * inputs * outputs;
  const across = tilesAlong(width);
  const strip = stripOf(across, mostTiles);
  const total = y.shape[0] * parts * tilesAlong(height);
  const fitting = Math.min(Math.floor(mostTiles / across), Math.floor(mostColumns / (4 * across + 2)));
  const together = rowsTogether(total, Math.max(1, Math.min(fitting, total)));
  const pieces = cut(Math.ceil(total / together), leastFlops / flops / together, 128);
  const span = { count: total, perChunk: together * pieces.span.perChunk };
  const ofOne = Math.max(leastShareOfOne, 2 * Math.ceil(outOcts / threads / 2));
  const share = pieces.chunks === 1 ? ofOne : pieces.chunks < fewChunks ? leastShare : outOcts;
  const shareOcts = Math.min(outOcts, share);
  const shares = Math.ceil(outOcts / shareOcts);
  const weightBytes = winograd2dBytes(steps) / coefficients;
  const ones = 32 * Math.max(inOcts, outOcts);
  const rows = 2 * ones + constantBytes;
  const columns = rows + 6 * inOcts * lineBytes;
  const tiles = columns + 6 * inOcts * lineBytes;
  const products = tiles + 6 * inOcts * tileBytes;
  const results = products + shareOcts * planeBytes;
  const spare = results + 6 * shareOcts * lineBytes;
  const tileRows = rowsOfSpan(span, tilesAlong(height));
  const reach = (chunk: number): readonly [RowOf, RowOf] => {
    const [[n, first], [m, last]] = tileRows(chunk);
    if (parts === 1) {
      return [
        [n, 4 * first],
        [m, 4 * last + 3],
      ];
    }
    return [
      [Math.floor(n / parts), 0],
      [Math.floor(m / parts), y.shape[1] - 1],
    ];
  };
  const touches = convTouches(conv, [memoryRange(packed, winograd2dBytes(steps))], reach);
  return {
    kernel: 'convWinograd2d',
    chunks: pieces.chunks * shares,
    touches: (chunk) => touches(Math.floor(chunk / shares)),
    localBytes: spare + 4 * mostTiles * 4 * along * y.pixelStride,
    args: {
      input: {
        ...{ ...whole, row: down * whole.row, pixel: along * whole.pixel },
        ...{ height: x.shape[1] / down, width: x.shape[2] / along },
      },
      output: outputArgs(conv, 1, [0, 0], dilation),
      ...{ dilationY: down, dilationX: along, height, width },
      ...{ paddingY: padding[0] / down, paddingX: padding[1] / along },
      ...{ perImage: tilesAlong(height), span },
      ...{ strip, together, shares, shareOcts },
      ...{ weights: packed, weightBytes, rows, columns, tiles, products, results, ones, spare },
      table: quadTable(inputs, 6 * tileBytes),
    },
  };
}
