import type { Rgb } from '../classes.js';
import type { Canvas } from './canvas.js';
import { id } from './labels.js';
import { fractal } from './noise.js';
import type { Camera } from './painter.js';

/** The look of a sky. */
export interface Sky {
  zenith: Rgb;
  low: Rgb;
  cloud: Rgb;
  /** 0 clear to 1 overcast. */
  cover: number;
  /** How much darker the thick parts of the clouds are, 0 to 1. */
  relief: number;
  /** Shifts the cloud pattern. */
  phase: number;
}

/** Fills everything above the horizon: a gradient with clouds on a plane far above. */
export function paintSky(canvas: Canvas, camera: Camera, sky: Sky): void {
  const { width, rgb, labels, instances } = canvas;
  const rows = Math.min(canvas.height, Math.ceil(camera.horizon) + 1);
  for (let y = 0; y < rows; y++) {
    const up = (camera.horizon - y) / camera.focal;
    const t = Math.min(1, Math.max(0, up / 0.5)) ** 0.6;
    // A cloud layer at height 1: the ray meets it at distance 1 / up.
    const reach = 1 / (up + 0.09);
    const fade = Math.min(1, up * 9);
    for (let x = 0, p = y * width; x < width; x++, p++) {
      const side = (x - camera.centreX) / camera.focal;
      const n = fractal(side * reach * 1.3 + sky.phase, reach * 1.8 + sky.phase * 0.7, 4);
      let c = (n + sky.cover * 1.7 - 0.75) * 1.8;
      c = c < 0 ? 0 : Math.min(c, 1);
      c *= 0.25 + 0.75 * fade;
      const grey = 1 - sky.relief * c * (n + 0.4);
      const o = 3 * p;
      for (let k = 0; k < 3; k++) {
        const base = sky.low[k] + (sky.zenith[k] - sky.low[k]) * t;
        rgb[o + k] = (base + (sky.cloud[k] - base) * c) * grey;
      }
      labels[p] = id.sky;
      instances[p] = id.sky;
    }
  }
}
