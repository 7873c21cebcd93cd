import type { ConvAttrs } from '../../ops/conv.js';
import type { ReferenceKernel } from './arena.js';
import { startFrom, View, vectorOf } from './arena.js';
import { applyPrologue } from './prologue.js';

/** `y[o] = Σ x̂[o·stride + k·dilation − padding] · weight[k]`, then the epilogue. */
export const conv2d: ReferenceKernel<'conv2d'> = ({ inputs, outputs, attrs }, arena) => {
  const [, h, w, cin] = inputs.x.shape;
  const [kh, kw, groupIn, cout] = inputs.weight.shape;
  const { stride, padding, dilation, groups } = attrs;
  const input = applyPrologue(arena, inputs, attrs.normalize);
  const weight = new View(arena, inputs.weight).dense();
  const bias = vectorOf(arena, inputs.bias, cout, 0);
  const slope = vectorOf(arena, inputs.slope, cout, 1);
  const residual = inputs.residual && new View(arena, inputs.residual);
  const y = new View(arena, outputs.y);
  const groupOut = cout / groups;
  for (let n = 0; n < y.n; n++) {
    for (let oy = 0; oy < y.h; oy++) {
      for (let ox = 0; ox < y.w; ox++) {
        for (let co = 0; co < cout; co++) {
          const firstIn = Math.floor(co / groupOut) * groupIn;
          let sum = 0;
          for (let ky = 0; ky < kh; ky++) {
            const iy = oy * stride[0] + ky * dilation[0] - padding[0];
            if (iy < 0 || iy >= h) continue;
            for (let kx = 0; kx < kw; kx++) {
              const ix = ox * stride[1] + kx * dilation[1] - padding[1];
              if (ix < 0 || ix >= w) continue;
              const pixel = ((n * h + iy) * w + ix) * cin + firstIn;
              const tap = (ky * kw + kx) * groupIn;
              for (let ci = 0; ci < groupIn; ci++) sum += input[pixel + ci] * weight[(tap + ci) * cout + co];
            }
          }
          const z = sum + bias[co];
          const activated = z > 0 ? z : slope[co] * z;
          y.data[y.at(n, oy, ox) + co] =
            activated + (residual ? residual.data[residual.at(n, oy, ox) + co] : 0);
        }
      }
    }
  }
};

/** Every product `x̂[i]·weight[k]` of `conv2d` that went into `y[o]` sends `weight[k]·gy[o]` back to `gx[i]`. */
export const conv2dGradInput: ReferenceKernel<'conv2dGradInput'> = ({ inputs, outputs, attrs }, arena) => {
  const [kh, kw, groupIn, cout] = inputs.weight.shape;
  const { stride, padding, dilation, groups } = attrs;
  const weight = new View(arena, inputs.weight).dense();
  const gy = new View(arena, inputs.gy);
  const gx = new View(arena, outputs.gx);
  const groupOut = cout / groups;
  startFrom(arena, gx, inputs.acc);
  for (let n = 0; n < gy.n; n++) {
    for (let oy = 0; oy < gy.h; oy++) {
      for (let ox = 0; ox < gy.w; ox++) {
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * stride[0] + ky * dilation[0] - padding[0];
          if (iy < 0 || iy >= gx.h) continue;
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * stride[1] + kx * dilation[1] - padding[1];
            if (ix < 0 || ix >= gx.w) continue;
            const from = gy.at(n, oy, ox);
            const to = gx.at(n, iy, ix);
            const tap = (ky * kw + kx) * groupIn;
            for (let co = 0; co < cout; co++) {
              const firstIn = Math.floor(co / groupOut) * groupIn;
              const g = gy.data[from + co];
              for (let ci = 0; ci < groupIn; ci++) {
                gx.data[to + firstIn + ci] += weight[(tap + ci) * cout + co] * g;
              }
            }
          }
        }
      }
    }
  }
};

/** The same products send `x̂[i]·gy[o]` to `gweight[k]`. */
export const conv2dGradWeight: ReferenceKernel<'conv2dGradWeight'> = ({ inputs, outputs, attrs }, arena) => {
  const [, h, w, cin] = inputs.x.shape;
  const [kh, kw, groupIn, cout] = outputs.gweight.shape;
  const { stride, padding, dilation, groups }: ConvAttrs = attrs;
  const input = applyPrologue(arena, inputs, attrs.normalize);
  const gy = new View(arena, inputs.gy);
  const sums = new Float64Array(kh * kw * groupIn * cout);
  const groupOut = cout / groups;
  for (let n = 0; n < gy.n; n++) {
    for (let oy = 0; oy < gy.h; oy++) {
      for (let ox = 0; ox < gy.w; ox++) {
        for (let ky = 0; ky < kh; ky++) {
          const iy = oy * stride[0] + ky * dilation[0] - padding[0];
          if (iy < 0 || iy >= h) continue;
          for (let kx = 0; kx < kw; kx++) {
            const ix = ox * stride[1] + kx * dilation[1] - padding[1];
            if (ix < 0 || ix >= w) continue;
            const from = gy.at(n, oy, ox);
            const pixel = ((n * h + iy) * w + ix) * cin;
            const tap = (ky * kw + kx) * groupIn;
            for (let co = 0; co < cout; co++) {
              const firstIn = Math.floor(co / groupOut) * groupIn;
              const g = gy.data[from + co];
              for (let ci = 0; ci < groupIn; ci++) {
                sums[(tap + ci) * cout + co] += input[pixel + firstIn + ci] * g;
              }
            }
          }
        }
      }
    }
  }
  new View(arena, outputs.gweight).assign(sums);
};

export const sumPixels: ReferenceKernel<'sumPixels'> = ({ inputs, outputs }, arena) => {
  const x = new View(arena, inputs.x);
  const sums = new Float64Array(x.c);
  for (let p = 0; p < x.pixels; p++) {
    for (let c = 0; c < x.c; c++) sums[c] += x.data[x.pixel(p) + c];
  }
  new View(arena, outputs.sum).assign(sums);
};

export const scaleWeight: ReferenceKernel<'scaleWeight'> = ({ inputs, outputs }, arena) => {
  const values = new View(arena, inputs.weight).dense();
  const cout = inputs.weight.shape[3];
  const scale = vectorOf(arena, inputs.scale, cout, 1);
  for (let i = 0; i < values.length; i++) values[i] *= scale[i % cout];
  new View(arena, outputs.y).assign(values);
};
