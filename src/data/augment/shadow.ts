import type { RgbImage } from '../image.js';
import type { Rng } from '../rng.js';

/**
 * One to three shadows in place: strips between two lines, darker by a factor of 0.35 to 0.75, a little bluer (the sky
 * lights them), with soft edges of up to a thirtieth of the width.
 */
export function shadowInPlace(image: RgbImage, rng: Rng): void {
  for (let n = 1 + rng.int(3); n > 0; n--) cast(image, rng);
}

function cast({ height, width, data }: RgbImage, rng: Rng): void {
  const angle = rng.range(0, Math.PI);
  const tilt = rng.range(-0.4, 0.4);
  const [nx, ny] = [Math.cos(angle), Math.sin(angle)];
  const [mx, my] = [Math.cos(angle + tilt), Math.sin(angle + tilt)];
  const [cx, cy] = [rng.range(0, width), rng.range(0, height)];
  const wide = width * rng.range(0.1, 0.5);
  const soft = Math.max(1, (width / 30) * rng.next());
  const dark = rng.range(0.35, 0.75);
  const factors = [0.95 * dark, dark, Math.min(1, 1.06 * dark)];
  for (let y = 0, p = 0; y < height; y++) {
    for (let x = 0; x < width; x++, p += 3) {
      const depth = Math.min(nx * (x - cx) + ny * (y - cy), wide - mx * (x - cx) - my * (y - cy));
      const inside = Math.min(1, Math.max(0, depth / soft + 0.5));
      if (inside === 0) continue;
      for (let c = 0; c < 3; c++) data[p + c] *= 1 - inside * (1 - factors[c]);
    }
  }
}
