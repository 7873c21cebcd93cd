import type { RgbImage } from '../image.js';
import type { Rng } from '../rng.js';

/** Fog, rain or a low sun, in place. */
export function weatherInPlace(image: RgbImage, rng: Rng): void {
  rng.pick([fog, rain, lowSun])(image, rng);
}

/**
 * v → t·v + (1 − t)·a with the air's grey a and t = exp(−β·d) (Koschmieder). The distance d of a row is that of flat
 * ground below a random horizon, at most 1, as it is above.
 */
function fog({ height, width, data }: RgbImage, rng: Rng): void {
  const air = rng.range(170, 235);
  const beta = rng.range(0.4, 1.8);
  const horizon = rng.range(0.3, 0.55);
  for (let y = 0; y < height; y++) {
    const below = y / height - horizon;
    const t = Math.exp(-beta * (below > 0.08 ? 0.08 / below : 1));
    for (let p = 3 * y * width; p < 3 * (y + 1) * width; p++) data[p] = t * data[p] + (1 - t) * air + 0.5;
  }
}

/** Less contrast, and bright streaks of one direction, one in 400 pixels. */
function rain({ height, width, data }: RgbImage, rng: Rng): void {
  const flat = rng.range(0.6, 0.9);
  for (let p = 0; p < data.length; p++) data[p] = 110 + flat * (data[p] - 110) + 0.5;
  const lean = rng.range(-0.4, 0.4);
  const length = (height / 30) * rng.range(0.5, 2);
  const share = rng.range(0.15, 0.4);
  for (let n = Math.round((height * width) / 400); n > 0; n--) {
    const [x, y] = [rng.range(0, width), rng.range(-length, height)];
    for (let i = 0; i < length; i++) {
      const [px, py] = [Math.floor(x + lean * i), Math.floor(y + i)];
      if (px < 0 || px >= width || py < 0 || py >= height) continue;
      for (let c = 3 * (py * width + px), end = c + 3; c < end; c++) data[c] += share * (225 - data[c]);
    }
  }
}

/** Warm light that spreads from a place in the upper half and washes out what is near. */
function lowSun({ height, width, data }: RgbImage, rng: Rng): void {
  const [cx, cy] = [rng.range(0, width), rng.range(0, height / 2)];
  const reach = width * rng.range(0.15, 0.5);
  const strength = rng.range(0.4, 0.9);
  const colour = [255, 244, 214];
  for (let y = 0, p = 0; y < height; y++) {
    for (let x = 0; x < width; x++, p += 3) {
      const light = strength * Math.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * reach * reach));
      for (let c = 0; c < 3; c++) data[p + c] += light * (colour[c] - data[p + c]);
    }
  }
}
