import type { Rgb } from '../classes.js';
import type { Rng } from '../rng.js';
import type { Canvas } from './canvas.js';

/** What the camera does to the light. */
export interface Finish {
  /** Factor per channel. */
  tint: Rgb;
  exposure: number;
  /** Exponent of the exposed value on [0, 1]: above 1, what lies in the shade of a bright sky turns dark. */
  gamma: number;
  /** Deviation of the sensor noise in grey levels. */
  noise: number;
}

const tableSize = 1 << 13;

/** Exposure, gamma, tint, a gentle S-curve, vignetting and sensor noise. Labels are untouched. */
export function finish(canvas: Canvas, look: Finish, rng: Rng): void {
  const { width, height, rgb } = canvas;
  const grain = Float32Array.from({ length: tableSize }, () => rng.normal() * look.noise);
  const curve = new Float32Array(256);
  for (let i = 0; i < 256; i++) {
    const v = Math.min(1, (i / 255) * look.exposure) ** look.gamma;
    curve[i] = 255 * (v + 0.16 * (v * v * (3 - 2 * v) - v));
  }
  const [tr, tg, tb] = look.tint;
  const across = Float32Array.from({ length: width }, (_, x) => ((x + 0.5) / width - 0.5) ** 2);
  for (let y = 0; y < height; y++) {
    const down = ((y + 0.5) / height - 0.5) ** 2;
    let g = rng.uint32() & (tableSize - 1);
    for (let x = 0, o = 3 * y * width; x < width; x++, o += 3) {
      const dark = 1 - 0.26 * (across[x] + down * 0.7);
      const luma = grain[g];
      // A step through the table that no image row repeats.
      g = (g + 3) & (tableSize - 1);
      rgb[o] = curve[rgb[o]] * tr * dark + luma + 0.5 * grain[(g + 1) & (tableSize - 1)];
      rgb[o + 1] = curve[rgb[o + 1]] * tg * dark + luma;
      rgb[o + 2] = curve[rgb[o + 2]] * tb * dark + luma + 0.5 * grain[(g + 2) & (tableSize - 1)];
    }
  }
}
