import type { WindowAttrs } from '../../ops/maxpool.js';
import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';

export const maxPool: ReferenceKernel<'maxPool'> = ({ inputs, outputs, attrs }, arena) => {
  const { kernel, stride, padding } = attrs;
  const x = new View(arena, inputs.x);
  const y = new View(arena, outputs.y);
  const index = new View(arena, outputs.index);
  for (let n = 0; n < y.n; n++) {
    for (let oy = 0; oy < y.h; oy++) {
      for (let ox = 0; ox < y.w; ox++) {
        for (let c = 0; c < y.c; c++) {
          let best = Number.NEGATIVE_INFINITY;
          let place = 0;
          for (let k = 0; k < kernel * kernel; k++) {
            const iy = oy * stride - padding + Math.floor(k / kernel);
            const ix = ox * stride - padding + (k % kernel);
            if (iy < 0 || iy >= x.h || ix < 0 || ix >= x.w) continue;
            const value = x.data[x.at(n, iy, ix) + c];
            if (value > best) {
              best = value;
              place = k;
            }
          }
          y.data[y.at(n, oy, ox) + c] = best;
          index.data[index.at(n, oy, ox) + c] = place;
        }
      }
    }
  }
};

/** Calls `visit(element of the pooled tensor, element of the image)` for every value that was the largest. */
function forEachMaximum(
  pooled: View,
  index: View,
  image: View,
  { kernel, stride, padding }: WindowAttrs,
  visit: (pooled: number, image: number) => void,
): void {
  for (let n = 0; n < pooled.n; n++) {
    for (let oy = 0; oy < pooled.h; oy++) {
      for (let ox = 0; ox < pooled.w; ox++) {
        for (let c = 0; c < pooled.c; c++) {
          const place = index.data[index.at(n, oy, ox) + c];
          const iy = oy * stride - padding + Math.floor(place / kernel);
          const ix = ox * stride - padding + (place % kernel);
          visit(pooled.at(n, oy, ox) + c, image.at(n, iy, ix) + c);
        }
      }
    }
  }
}

export const maxUnpool: ReferenceKernel<'maxUnpool'> = ({ inputs, outputs, attrs }, arena) => {
  const x = new View(arena, inputs.x);
  const y = new View(arena, outputs.y);
  y.fill(0);
  forEachMaximum(x, new View(arena, inputs.index), y, attrs, (from, to) => {
    y.data[to] += x.data[from];
  });
};

export const maxGather: ReferenceKernel<'maxGather'> = ({ inputs, outputs, attrs }, arena) => {
  const gy = new View(arena, inputs.gy);
  const gx = new View(arena, outputs.gx);
  forEachMaximum(gx, new View(arena, inputs.index), gy, attrs, (to, from) => {
    gx.data[to] = gy.data[from];
  });
};
