import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

/** Pixels `[first, last)` of bin i of `bins` over `length` pixels. */
const binOf = (i: number, length: number, bins: number): [first: number, last: number] => [
  Math.floor((i * length) / bins),
  Math.ceil(((i + 1) * length) / bins),
];

/** Calls `visit(bin, pixel, 1 / pixels of the bin)` with the index of channel 0 of each. */
function forEachPixelOfBins(
  bins: View,
  image: View,
  visit: (bin: number, pixel: number, weight: number) => void,
): void {
  for (let n = 0; n < bins.n; n++) {
    for (let by = 0; by < bins.h; by++) {
      const [top, bottom] = binOf(by, image.h, bins.h);
      for (let bx = 0; bx < bins.w; bx++) {
        const [left, right] = binOf(bx, image.w, bins.w);
        const weight = 1 / ((bottom - top) * (right - left));
        for (let y = top; y < bottom; y++) {
          for (let x = left; x < right; x++) visit(bins.at(n, by, bx), image.at(n, y, x), weight);
        }
      }
    }
  }
}

export const adaptivePool: ReferenceKernel<'adaptivePool'> = ({ inputs, outputs }, arena) => {
  const x = new View(arena, inputs.x);
  const y = new View(arena, outputs.y);
  y.fill(0);
  forEachPixelOfBins(y, x, (bin, pixel, weight) => {
    for (let c = 0; c < x.c; c++) y.data[bin + c] += weight * x.data[pixel + c];
  });
};

export const adaptivePoolGrad: ReferenceKernel<'adaptivePoolGrad'> = ({ inputs, outputs }, arena) => {
  const gy = new View(arena, inputs.gy);
  const gx = new View(arena, outputs.gx);
  gx.fill(0);
  forEachPixelOfBins(gy, gx, (bin, pixel, weight) => {
    for (let c = 0; c < gx.c; c++) gx.data[pixel + c] += weight * gy.data[bin + c];
  });
};
