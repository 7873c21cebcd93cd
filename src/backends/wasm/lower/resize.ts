import type { CallFor, TensorRef } from '../../../graph/planned.js';
import { imageCoefficients } from '../../../ops/image.js';
import type { Normalization } from '../../../ops/op.js';
import type { Corners } from '../../../ops/resize.js';
import type { Axes } from '../abi.js';
import type { Stage, WasmKernel } from '../stage.js';
import { cut, pixelsOf, pointer, scratchPointer, strided } from '../stage.js';
import { memoryRange, pixelsRange, rowsRange, wholeRange } from '../touches.js';

/** One direction of a bilinear resize from `coarse` to `fine` pixels. */
export interface Axis {
  /** `starts[q] … starts[q + 1] − 1`: fine pixels that sample between coarse pixels q and q + 1. */
  readonly starts: readonly number[];
  /** Weight of coarse pixel q + 1 at each fine pixel. */
  readonly fractions: readonly number[];
}

/** Coarse pixels from one fine pixel to the next. */
export const stepOf = (coarse: number, fine: number, { alignCorners }: Corners): number =>
  alignCorners ? (coarse - 1) / Math.max(1, fine - 1) : coarse / fine;

/** Source coordinates of `ops/resize.ts`. */
export function axis(coarse: number, fine: number, corners: Corners = {}): Axis {
  const starts = new Array<number>(coarse + 1).fill(fine);
  const fractions: number[] = [];
  let next = 0;
  for (let i = 0; i < fine; i++) {
    const s = corners.alignCorners
      ? (i * (coarse - 1)) / Math.max(1, fine - 1)
      : Math.max(0, ((i + 0.5) * coarse) / fine - 0.5);
    const q = Math.min(Math.floor(s), coarse - 1);
    while (next <= q) starts[next++] = i;
    fractions.push(s - q);
  }
  return { starts, fractions };
}

/** Kernels read fractions eight at a time, past the last too. */
const vectorTail: readonly number[] = [0, 0, 0, 0, 0, 0, 0];

/** Sizes and the tables of rows and of columns. */
export function axes(coarse: TensorRef, fine: TensorRef, corners: Corners): Axes {
  const rows = axis(coarse.shape[1], fine.shape[1], corners);
  const columns = axis(coarse.shape[2], fine.shape[2], corners);
  return {
    coarseHeight: coarse.shape[1],
    coarseWidth: coarse.shape[2],
    fineHeight: fine.shape[1],
    fineWidth: fine.shape[2],
    rowStarts: rows.starts,
    rowFractions: rows.fractions,
    columnStarts: columns.starts,
    columnFractions: [...columns.fractions, ...vectorTail],
  };
}

/** Coarse rows per chunk. */
const bandRows = 4;

export const resizeBilinear: WasmKernel<'resizeBilinear'> = {
  lower({ inputs: { x }, outputs: { y }, attrs }) {
    const { span, chunks } = cut(y.shape[1], 65536 / (4 * y.shape[2] * y.shape[3]));
    return [
      {
        kernel: 'resizeBilinear',
        chunks: chunks * y.shape[0],
        args: {
          ...strided({ coarse: x, fine: y }),
          ...{ channels: y.shape[3], bandRows: span.perChunk, bands: chunks, axes: axes(x, y, attrs) },
          normalize: attrs.normalize ? quadsOfImage(attrs.normalize) : [],
        },
        localBytes: rowBytes(x),
      },
    ];
  },
};

/** Bytes times a scale plus a shift are normalised: those of four channels, then of the next four, filled up with zeros. */
function quadsOfImage(normalize: Normalization): number[] {
  const { scale, shift } = imageCoefficients(normalize);
  return Array.from({ length: Math.ceil(scale.length / 4) }, (_, quad) =>
    [scale, shift].flatMap((all) => [0, 1, 2, 3].map((lane) => all[4 * quad + lane] ?? 0)),
  ).flat();
}

/** A row of coarse pixels, channels padded to whole vectors. */
export const rowBytes = ({ shape: [, , width, channels] }: TensorRef): number =>
  width * Math.ceil(channels / 4) * 16;

export const resizeBilinearGrad: WasmKernel<'resizeBilinearGrad'> = {
  lower({ inputs: { gy }, outputs: { gx }, attrs }) {
    const bands = Math.ceil(gx.shape[1] / bandRows);
    return [
      {
        kernel: 'resizeBilinearGrad',
        chunks: bands * gx.shape[0],
        args: {
          ...strided({ coarse: gx, fine: gy }),
          ...{ channels: gx.shape[3], bandRows, bands, axes: axes(gx, gy, attrs), normalize: [] },
        },
        localBytes: rowBytes(gx),
      },
    ];
  },
};

/** Logits that already have the size of the labels only need their largest channel. */
export const resizes = ({ inputs: { x }, outputs: { labels } }: CallFor<'resizeArgmax'>): boolean =>
  x.shape[1] !== labels.shape[1] || x.shape[2] !== labels.shape[2] || labels.pixelStride !== 1;

export const resizeArgmax: WasmKernel<'resizeArgmax'> = {
  /** The class of every coarse pixel, where there is a resize to do. */
  scratchBytes: (call) => (resizes(call) ? pixelsOf(call.inputs.x) : 0),
  lower(call) {
    const { x } = call.inputs;
    const { labels } = call.outputs;
    const channels = x.shape[3];
    const at = resizes(call) ? scratchPointer(call) : pointer(labels);
    const { span, chunks } = cut(pixelsOf(x), 16384 / channels);
    const classes: Stage = {
      kernel: 'argmax',
      chunks,
      args: { ...strided({ x }), channels, pixels: span, labels: at },
      touches: (chunk) => {
        const [first, last] = [chunk * span.perChunk, Math.min(span.count, (chunk + 1) * span.perChunk)];
        return { reads: [pixelsRange(x, first, last)], writes: [memoryRange(at + first, last - first)] };
      },
    };
    if (!resizes(call)) return [classes];
    const bands = Math.ceil(x.shape[1] / bandRows);
    const padded = Math.ceil(channels / 4) * 4;
    return [
      classes,
      {
        kernel: 'resizeArgmax',
        chunks: bands * x.shape[0],
        args: {
          ...strided({ x, y: labels }),
          ...{ channels, coarseLabels: at, bandRows, bands, axes: axes(x, labels, call.attrs) },
        },
        touches: (chunk) => {
          const image = Math.floor(chunk / bands);
          const first = (chunk % bands) * bandRows;
          const last = Math.min(x.shape[1] - 1, first + bandRows);
          const pixels = (image * x.shape[1] + first) * x.shape[2];
          const seen = memoryRange(at + pixels, (last - first + 1) * x.shape[2]);
          // Fine rows between coarse ones: all of them, because nothing reads labels.
          return { reads: [rowsRange(x, [image, first], [image, last]), seen], writes: [wholeRange(labels)] };
        },
        // Largest corner of every class, the classes that can win, and their values left and right of a row.
        localBytes: 16 * padded,
      },
    ];
  },
};
