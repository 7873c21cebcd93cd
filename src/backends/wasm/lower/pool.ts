import { UserError } from '../../../errors.js';
import type { CallFor, TensorRef } from '../../../graph/planned.js';
import type { PyramidAttrs } from '../../../ops/pool.js';
import type { PyramidPoolArgs } from '../abi.js';
import { sizes, termWords } from '../abi.js';
import type { StageOf, WasmKernel } from '../stage.js';
import { alignLines, pointers, strided } from '../stage.js';
import type { RowOf } from '../touches.js';
import { rowsRange, wholeRanges } from '../touches.js';

const largestWindow = 7;

/** Rows of the result per chunk: enough that the rows which windows share are a small part of what it reads. */
const bandRows = 8;
const tileChannels = 16;

/** How the result is cut up, and the private memory a tile needs. */
interface Tiling {
  readonly args: Pick<PyramidPoolArgs, 'bandRows' | 'bands' | 'tileColumns' | 'tileChannels'>;
  readonly chunks: number;
  readonly localBytes: number;
}

/** `across(n)`: pixels of the input that n pixels of the result see in one direction. `extraRows`: of the tile. */
function tiling(
  [n, height, , channels]: TensorRef['shape'],
  across: (pixels: number) => number,
  extraRows: number,
): Tiling {
  const padded = Math.min(tileChannels, Math.ceil(channels / 4) * 4);
  const tileColumns = (32 * tileChannels) / padded;
  const bands = Math.ceil(height / bandRows);
  return {
    args: { bandRows, bands, tileColumns, tileChannels },
    chunks: n * bands,
    localBytes: (across(bandRows) + extraRows) * across(tileColumns) * padded * 4,
  };
}

/** Of the input, for one row of a tile of all channels: seven rows and their sums stay in a second-level cache. */
const denseBytes = 49152;
const denseBandRows = 16;
/** Of the result in a tile, at least. */
const leastColumns = 4;

/** Tiles of all channels, one per chunk; `rows`: those of a tile's width in private memory. */
function denseTiling(
  [n, height, width, channels]: TensorRef['shape'],
  across: (pixels: number) => number,
  rows: number,
): Tiling {
  const bandRows = Math.min(denseBandRows, Math.max(8, Math.ceil((n * height) / 8)));
  const bands = Math.ceil(height / bandRows);
  const step = across(2) - across(1);
  const fitting = Math.floor((denseBytes / (4 * channels) - across(1)) / step) + 1;
  const most = Math.max(leastColumns, fitting);
  const tileColumns = Math.ceil(width / Math.ceil(width / most));
  return {
    args: { bandRows, bands, tileColumns, tileChannels: channels },
    chunks: n * bands * Math.ceil(width / tileColumns),
    localBytes: alignLines(sizes.DenseTile) + rows * across(tileColumns) * channels * 4,
  };
}

/** Radius, and four ring weights: `ring[r] = Σ 1/k²` over the windows k that reach r pixels from the centre. */
function rings({ kernels }: PyramidAttrs) {
  const largest = Math.max(...kernels);
  if (largest > largestWindow) {
    throw new UserError(
      `pyramidPool: the CPU backend pools windows up to ${largestWindow}×${largestWindow}, got ${largest}`,
    );
  }
  const radius = (largest - 1) / 2;
  const [ring0, ring1, ring2, ring3] = [0, 1, 2, 3].map((r) =>
    kernels.filter((k) => k >= 2 * r + 1).reduce((sum, k) => sum + 1 / (k * k), 0),
  );
  return { radius, ring0, ring1, ring2, ring3 };
}

const sizesOf = ({ shape: x }: TensorRef, { shape: y }: TensorRef) => ({
  ...{ xHeight: x[1], xWidth: x[2], yHeight: y[1], yWidth: y[2], channels: y[3] },
});

/** Whether it takes no copy of its input. */
export const isDense = ({ inputs: { x, preScale, preSlope } }: CallFor<'pyramidPool'>): boolean =>
  x.shape[3] % 4 === 0 && x.pixelStride === x.shape[3] && !preScale && !preSlope;

/** The one stage, and rows of the result by chunk. */
export function pyramidPoolStage(call: CallFor<'pyramidPool'>) {
  const { y } = call.outputs;
  const { x, preScale, preShift, preSlope, scale, shift, slope } = call.inputs;
  const ring = rings(call.attrs);
  const { radius } = ring;
  const { stride } = call.attrs;
  const across = (pixels: number) => (pixels - 1) * stride + 1 + 2 * radius;
  const dense = isDense(call);
  const tiles = dense ? denseTiling(y.shape, across, radius + 2) : tiling(y.shape, across, radius + 1);
  const { bandRows, bands } = tiles.args;
  const rows = (chunk: number): readonly [RowOf, RowOf] => {
    const band = Math.floor(chunk / (tiles.chunks / (y.shape[0] * bands)));
    const image = Math.floor(band / bands);
    const first = (band % bands) * bandRows;
    return [
      [image, first],
      [image, Math.min(y.shape[1], first + bandRows) - 1],
    ];
  };
  const stage: StageOf<'pyramidPool' | 'pyramidPoolDense'> = {
    kernel: dense ? 'pyramidPoolDense' : 'pyramidPool',
    chunks: tiles.chunks,
    args: {
      ...strided({ x, y, acc: undefined }),
      ...pointers({ preScale, preShift, preSlope, scale, shift, slope }),
      ...{ ...sizesOf(x, y), stride, ...ring, ...tiles.args },
    },
    localBytes: tiles.localBytes,
    touches: (chunk) => {
      const [[image, first], [, last]] = rows(chunk);
      const seen = rowsRange(x, [image, first * stride - radius], [image, last * stride + radius]);
      return {
        reads: [seen, ...wholeRanges(preScale, preShift, preSlope, scale, shift, slope)],
        writes: [rowsRange(y, [image, first], [image, last])],
      };
    },
  };
  return { stage, rows };
}

export const pyramidPool: WasmKernel<'pyramidPool'> = { lower: (call) => [pyramidPoolStage(call).stage] };

export const pyramidPoolGrad: WasmKernel<'pyramidPoolGrad'> = {
  lower({ inputs: { gy, acc }, outputs: { gx }, attrs }) {
    const ring = rings(attrs);
    const { radius } = ring;
    const { stride } = attrs;
    const margin = Math.ceil(radius / stride);
    const tiles = tiling(gx.shape, (pixels) => Math.ceil(pixels / stride) + 1 + 2 * margin, radius + 2);
    return [
      {
        kernel: 'pyramidPoolGrad',
        chunks: tiles.chunks,
        args: {
          ...{ ...strided({ x: gy, y: gx, acc }), preScale: 0, preShift: 0, preSlope: 0 },
          ...{ scale: 0, shift: 0, slope: 0, ...sizesOf(gy, gx), stride, ...ring, ...tiles.args },
        },
        localBytes: tiles.localBytes + 4 * termWords * stride,
      },
    ];
  },
};
