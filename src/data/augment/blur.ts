import type { RgbImage } from '../image.js';

/** Gaussian blur in place, σ in pixels, cut at 3σ; beyond the edge the last pixel goes on. */
export function blurInPlace(image: RgbImage, sigma: number): void {
  const radius = Math.ceil(3 * sigma);
  if (radius < 1) return;
  const { height, width, data } = image;
  const taps = Float32Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-((i - radius) ** 2) / (2 * sigma * sigma)),
  );
  const sum = taps.reduce((a, b) => a + b, 0);
  for (let i = 0; i < taps.length; i++) taps[i] /= sum;
  const rows = new Float32Array(3 * height * width);
  along(data, rows, { lines: height, length: width, line: 3 * width, step: 3 }, taps);
  const out = new Float32Array(rows.length);
  along(rows, out, { lines: width, length: height, line: 3, step: 3 * width }, taps);
  for (let i = 0; i < out.length; i++) data[i] = (out[i] + 0.5) | 0;
}

/** Lines of pixels: how many, how long, and how far apart lines and pixels lie. */
interface Lines {
  lines: number;
  length: number;
  line: number;
  step: number;
}

function along(
  from: Uint8Array | Float32Array,
  to: Float32Array,
  { lines, length, line, step }: Lines,
  taps: Float32Array,
): void {
  const radius = taps.length >> 1;
  for (let l = 0; l < lines; l++) {
    for (let i = 0; i < length; i++) {
      let r = 0;
      let g = 0;
      let b = 0;
      for (let t = -radius; t <= radius; t++) {
        const p = l * line + Math.min(Math.max(i + t, 0), length - 1) * step;
        const w = taps[t + radius];
        r += w * from[p];
        g += w * from[p + 1];
        b += w * from[p + 2];
      }
      const o = l * line + i * step;
      to[o] = r;
      to[o + 1] = g;
      to[o + 2] = b;
    }
  }
}
