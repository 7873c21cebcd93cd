import type { ReferenceKernel } from './arena.js';
import { startFrom, View, vectorOf } from './arena.js';
import { applyPrologue } from './prologue.js';

export const pyramidPool: ReferenceKernel<'pyramidPool'> = ({ inputs, outputs, attrs }, arena) => {
  const [, h, w, channels] = inputs.x.shape;
  const input = applyPrologue(arena, inputs);
  const scale = vectorOf(arena, inputs.scale, channels, 1);
  const shift = vectorOf(arena, inputs.shift, channels, 0);
  const slope = vectorOf(arena, inputs.slope, channels, 1);
  const y = new View(arena, outputs.y);
  for (let n = 0; n < y.n; n++) {
    for (let oy = 0; oy < y.h; oy++) {
      for (let ox = 0; ox < y.w; ox++) {
        for (let c = 0; c < channels; c++) {
          let averages = 0;
          for (const k of attrs.kernels) {
            let sum = 0;
            for (let ky = 0; ky < k; ky++) {
              const iy = oy * attrs.stride + ky - Math.floor(k / 2);
              if (iy < 0 || iy >= h) continue;
              for (let kx = 0; kx < k; kx++) {
                const ix = ox * attrs.stride + kx - Math.floor(k / 2);
                if (ix >= 0 && ix < w) sum += input[((n * h + iy) * w + ix) * channels + c];
              }
            }
            averages += sum / (k * k);
          }
          const z = scale[c] * averages + shift[c];
          y.data[y.at(n, oy, ox) + c] = z > 0 ? z : slope[c] * z;
        }
      }
    }
  }
};

/** Each pixel of a window gets `gy / k²`. */
export const pyramidPoolGrad: ReferenceKernel<'pyramidPoolGrad'> = ({ inputs, outputs, attrs }, arena) => {
  const gy = new View(arena, inputs.gy);
  const gx = new View(arena, outputs.gx);
  startFrom(arena, gx, inputs.acc);
  for (let n = 0; n < gy.n; n++) {
    for (let oy = 0; oy < gy.h; oy++) {
      for (let ox = 0; ox < gy.w; ox++) {
        for (const k of attrs.kernels) {
          for (let ky = 0; ky < k; ky++) {
            const iy = oy * attrs.stride + ky - Math.floor(k / 2);
            if (iy < 0 || iy >= gx.h) continue;
            for (let kx = 0; kx < k; kx++) {
              const ix = ox * attrs.stride + kx - Math.floor(k / 2);
              if (ix < 0 || ix >= gx.w) continue;
              const from = gy.at(n, oy, ox);
              const to = gx.at(n, iy, ix);
              for (let c = 0; c < gy.c; c++) gx.data[to + c] += gy.data[from + c] / (k * k);
            }
          }
        }
      }
    }
  }
};
