import type { ReferenceKernel } from './arena.js';
import { View } from './arena.js';
import { interpolate, samplesOf } from './resize.js';

export const weightPart: ReferenceKernel<'weightPart'> = ({ inputs, outputs, attrs }, arena) => {
  const { ranges, apart } = attrs;
  const [kh, kw, cin, cout] = inputs.weight.shape;
  const weight = new View(arena, inputs.weight).dense();
  const channels = ranges.flatMap(([from, count]) => Array.from({ length: count }, (_, i) => from + i));
  const count = channels.length;
  const part = new Float64Array(kh * kw * count * cout);
  for (let tap = 0; tap < kh * kw; tap++) {
    for (let i = 0; i < count; i++) {
      const at = (tap * cin + channels[i]) * cout;
      part.set(weight.subarray(at, at + cout), (apart ? i * kh * kw + tap : tap * count + i) * cout);
    }
  }
  new View(arena, outputs.y).assign(part);
};

export const upsampleTaps: ReferenceKernel<'upsampleTaps'> = ({ inputs, outputs, attrs }, arena) => {
  const { kernel, padding, dilation, height, width, alignCorners } = attrs;
  const x = new View(arena, inputs.x);
  const y = new View(arena, outputs.y);
  const sum = inputs.sum && new View(arena, inputs.sum);
  const rows = samplesOf(x.h, height, alignCorners);
  const columns = samplesOf(x.w, width, alignCorners);
  const all = new Float64Array(x.c);
  for (let n = 0; n < y.n; n++) {
    for (let i = 0; i < y.h; i++) {
      for (let j = 0; j < y.w; j++) {
        const pixel = new Float64Array(y.c);
        for (let tap = 0; tap < kernel[0] * kernel[1]; tap++) {
          const row = rows[i + dilation[0] * Math.floor(tap / kernel[1]) - padding[0]];
          const column = columns[j + dilation[1] * (tap % kernel[1]) - padding[1]];
          if (!row || !column) continue;
          interpolate(x, n, row, column, all);
          for (let c = 0; c < y.c; c++) pixel[c] += all[tap * y.c + c];
        }
        for (let c = 0; c < y.c; c++) {
          y.data[y.at(n, i, j) + c] = pixel[c] + (sum ? sum.data[sum.at(n, i, j) + c] : 0);
        }
      }
    }
  }
};
