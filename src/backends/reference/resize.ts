import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';
import { normalized } from './prologue.js';

/** Where an output coordinate samples: between `low` and `high`, at `t` of the way. */
export interface Sample {
  readonly low: number;
  readonly high: number;
  readonly t: number;
}

/** The samples of all output coordinates along one axis. */
export function samplesOf(inLength: number, outLength: number, alignCorners = false): Sample[] {
  return Array.from({ length: outLength }, (_, i) => {
    const s = alignCorners
      ? (i * (inLength - 1)) / Math.max(1, outLength - 1)
      : Math.max(0, ((i + 0.5) * inLength) / outLength - 0.5);
    const low = Math.floor(s);
    return { low, high: Math.min(low + 1, inLength - 1), t: s - low };
  });
}

/** Writes all channels of the resized pixel sampled at `row`, `column` of image n to `to`. */
export function interpolate(x: View, n: number, row: Sample, column: Sample, to: Float64Array): void {
  const topLeft = x.at(n, row.low, column.low);
  const topRight = x.at(n, row.low, column.high);
  const bottomLeft = x.at(n, row.high, column.low);
  const bottomRight = x.at(n, row.high, column.high);
  for (let c = 0; c < x.c; c++) {
    const top = (1 - column.t) * x.data[topLeft + c] + column.t * x.data[topRight + c];
    const bottom = (1 - column.t) * x.data[bottomLeft + c] + column.t * x.data[bottomRight + c];
    to[c] = (1 - row.t) * top + row.t * bottom;
  }
}

/** The transpose: adds the gradient of that pixel to the four it was made of. */
export function scatter(gx: View, n: number, row: Sample, column: Sample, gradient: Float64Array): void {
  const topLeft = gx.at(n, row.low, column.low);
  const topRight = gx.at(n, row.low, column.high);
  const bottomLeft = gx.at(n, row.high, column.low);
  const bottomRight = gx.at(n, row.high, column.high);
  for (let c = 0; c < gx.c; c++) {
    gx.data[topLeft + c] += (1 - row.t) * (1 - column.t) * gradient[c];
    gx.data[topRight + c] += (1 - row.t) * column.t * gradient[c];
    gx.data[bottomLeft + c] += row.t * (1 - column.t) * gradient[c];
    gx.data[bottomRight + c] += row.t * column.t * gradient[c];
  }
}

export const resizeBilinear: ReferenceKernel<'resizeBilinear'> = ({ inputs, outputs, attrs }, arena) => {
  const x = new View(arena, inputs.x);
  const y = new View(arena, outputs.y);
  const rows = samplesOf(x.h, y.h, attrs.alignCorners);
  const columns = samplesOf(x.w, y.w, attrs.alignCorners);
  const pixel = new Float64Array(x.c);
  const { normalize } = attrs;
  for (let n = 0; n < y.n; n++) {
    for (let oy = 0; oy < y.h; oy++) {
      for (let ox = 0; ox < y.w; ox++) {
        interpolate(x, n, rows[oy], columns[ox], pixel);
        // The same before as after: weights add up to one.
        if (normalize) for (let c = 0; c < x.c; c++) pixel[c] = normalized(pixel[c], c, normalize);
        y.data.set(pixel, y.at(n, oy, ox));
      }
    }
  }
};

export const resizeBilinearGrad: ReferenceKernel<'resizeBilinearGrad'> = (
  { inputs, outputs, attrs },
  arena,
) => {
  const gy = new View(arena, inputs.gy);
  const gx = new View(arena, outputs.gx);
  const rows = samplesOf(gx.h, gy.h, attrs.alignCorners);
  const columns = samplesOf(gx.w, gy.w, attrs.alignCorners);
  const pixel = new Float64Array(gy.c);
  gx.fill(0);
  for (let n = 0; n < gy.n; n++) {
    for (let oy = 0; oy < gy.h; oy++) {
      for (let ox = 0; ox < gy.w; ox++) {
        const at = gy.at(n, oy, ox);
        for (let c = 0; c < gy.c; c++) pixel[c] = gy.data[at + c];
        scatter(gx, n, rows[oy], columns[ox], pixel);
      }
    }
  }
};

export const resizeArgmax: ReferenceKernel<'resizeArgmax'> = ({ inputs, outputs, attrs }, arena) => {
  const x = new View(arena, inputs.x);
  const labels = new View(arena, outputs.labels);
  const rows = samplesOf(x.h, labels.h, attrs.alignCorners);
  const columns = samplesOf(x.w, labels.w, attrs.alignCorners);
  const pixel = new Float64Array(x.c);
  for (let n = 0; n < labels.n; n++) {
    for (let oy = 0; oy < labels.h; oy++) {
      for (let ox = 0; ox < labels.w; ox++) {
        interpolate(x, n, rows[oy], columns[ox], pixel);
        labels.data[labels.at(n, oy, ox)] = pixel.indexOf(Math.max(...pixel));
      }
    }
  }
};
