import type { Shape } from '../../ir/value.js';
import type { ConvAttrs } from '../../ops/conv.js';
// The innermost loops run along weights as they lie, over output channels: tests run whole networks here.

import type { ReferenceKernel } from './arena.js';
import { View, vectorOf } from './arena.js';
import { applyPrologue } from './prologue.js';

/** Calls `visit` for every tap of an output pixel that falls into an image of `h`×`w` pixels. */
function forEachTap(
  [kh, kw]: Shape,
  [h, w]: readonly [number, number],
  { stride, padding, dilation }: ConvAttrs,
  oy: number,
  ox: number,
  visit: (iy: number, ix: number, tap: number) => void,
): void {
  for (let ky = 0; ky < kh; ky++) {
    const iy = oy * stride[0] + ky * dilation[0] - padding[0];
    if (iy < 0 || iy >= h) continue;
    for (let kx = 0; kx < kw; kx++) {
      const ix = ox * stride[1] + kx * dilation[1] - padding[1];
      if (ix >= 0 && ix < w) visit(iy, ix, ky * kw + kx);
    }
  }
}

type Values = Float64Array | Uint8Array;

/** `to[at + i] += factor·from[start + i]`. */
function addScaled(to: Values, at: number, factor: number, from: Values, start: number, count: number): void {
  for (let i = 0; i < count; i++) to[at + i] += factor * from[start + i];
}

/** `sum + Σ a[at + i]·b[start + i]`. */
function addProducts(sum: number, a: Values, at: number, b: Values, start: number, count: number): number {
  for (let i = 0; i < count; i++) sum += a[at + i] * b[start + i];
  return sum;
}

/** `y[o] = Σ x̂[o·stride + k·dilation − padding] · weight[k]`, then the epilogue. */
export const conv2d: ReferenceKernel<'conv2d'> = ({ inputs, outputs, attrs }, arena) => {
  const [, h, w, cin] = inputs.x.shape;
  const [, , groupIn, cout] = inputs.weight.shape;
  const input = applyPrologue(arena, inputs, attrs.normalize);
  const weight = new View(arena, inputs.weight).dense();
  const bias = vectorOf(arena, inputs.bias, cout, 0);
  const slope = vectorOf(arena, inputs.slope, cout, 1);
  const residual = inputs.residual && new View(arena, inputs.residual);
  const y = new View(arena, outputs.y);
  const groupOut = cout / attrs.groups;
  for (let n = 0; n < y.n; n++) {
    for (let oy = 0; oy < y.h; oy++) {
      for (let ox = 0; ox < y.w; ox++) {
        const sums = new Float64Array(cout);
        forEachTap(inputs.weight.shape, [h, w], attrs, oy, ox, (iy, ix, tap) => {
          const pixel = ((n * h + iy) * w + ix) * cin;
          for (let ci = 0; ci < cin; ci++) {
            const first = Math.floor(ci / groupIn) * groupOut;
            const row = (tap * groupIn + (ci % groupIn)) * cout + first;
            addScaled(sums, first, input[pixel + ci], weight, row, groupOut);
          }
        });
        for (let co = 0; co < cout; co++) {
          const added = residual ? residual.data[residual.at(n, oy, ox) + co] : 0;
          const [before, after] = attrs.activates === 'sum' ? [added, 0] : [0, added];
          const z = sums[co] + bias[co] + before;
          y.data[y.at(n, oy, ox) + co] = (z > 0 ? z : slope[co] * z) + after;
        }
      }
    }
  }
};

/** Every product `x̂[i]·weight[k]` of `conv2d` that went into `y[o]` sends `weight[k]·gy[o]` back to `gx[i]`; then the epilogue. */
export const conv2dGradInput: ReferenceKernel<'conv2dGradInput'> = ({ inputs, outputs, attrs }, arena) => {
  const [, , groupIn, cout] = inputs.weight.shape;
  const weight = new View(arena, inputs.weight).dense();
  const gy = new View(arena, inputs.gy);
  const gx = new View(arena, outputs.gx);
  const [from, to] = [gy.data, gx.data];
  const groupOut = cout / attrs.groups;
  const bias = vectorOf(arena, inputs.bias, gx.c, 0);
  const slope = vectorOf(arena, inputs.slope, gx.c, 1);
  const acc = inputs.acc && new View(arena, inputs.acc).dense();
  gx.fill(0);
  for (let n = 0; n < gy.n; n++) {
    for (let oy = 0; oy < gy.h; oy++) {
      for (let ox = 0; ox < gy.w; ox++) {
        const output = gy.at(n, oy, ox);
        forEachTap(inputs.weight.shape, [gx.h, gx.w], attrs, oy, ox, (iy, ix, tap) => {
          const pixel = gx.at(n, iy, ix);
          for (let ci = 0; ci < gx.c; ci++) {
            const first = Math.floor(ci / groupIn) * groupOut;
            const row = (tap * groupIn + (ci % groupIn)) * cout + first;
            to[pixel + ci] = addProducts(to[pixel + ci], weight, row, from, output + first, groupOut);
          }
        });
      }
    }
  }
  for (let p = 0; p < gx.pixels; p++) {
    for (let c = 0; c < gx.c; c++) {
      const z = to[gx.pixel(p) + c] + bias[c];
      to[gx.pixel(p) + c] = (z > 0 ? z : slope[c] * z) + (acc ? acc[p * gx.c + c] : 0);
    }
  }
};

/** The same products send `x̂[i]·gy[o]` to `gweight[k]`. */
export const conv2dGradWeight: ReferenceKernel<'conv2dGradWeight'> = ({ inputs, outputs, attrs }, arena) => {
  const [, h, w, cin] = inputs.x.shape;
  const [kh, kw, groupIn, cout] = outputs.gweight.shape;
  const input = applyPrologue(arena, inputs, attrs.normalize);
  const gy = new View(arena, inputs.gy);
  const from = gy.data;
  const sums = new Float64Array(kh * kw * groupIn * cout);
  const groupOut = cout / attrs.groups;
  for (let n = 0; n < gy.n; n++) {
    for (let oy = 0; oy < gy.h; oy++) {
      for (let ox = 0; ox < gy.w; ox++) {
        const output = gy.at(n, oy, ox);
        forEachTap(outputs.gweight.shape, [h, w], attrs, oy, ox, (iy, ix, tap) => {
          const pixel = ((n * h + iy) * w + ix) * cin;
          for (let ci = 0; ci < cin; ci++) {
            const first = Math.floor(ci / groupIn) * groupOut;
            const row = (tap * groupIn + (ci % groupIn)) * cout + first;
            addScaled(sums, row, input[pixel + ci], from, output + first, groupOut);
          }
        });
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

export const scaleWeight: ReferenceKernel<'scaleWeight'> = ({ inputs, outputs, attrs }, arena) => {
  const values = new View(arena, inputs.weight).dense();
  const [, , cin, cout] = inputs.weight.shape;
  const scale = new View(arena, inputs.scale).dense();
  const channel = (i: number) => (attrs.of === 'inputs' ? Math.floor(i / cout) % cin : i % cout);
  for (let i = 0; i < values.length; i++) values[i] *= scale[channel(i)];
  new View(arena, outputs.y).assign(values);
};
