import { Rng } from '../rng.js';

const side = 256;
const lattice = (() => {
  const rng = Rng.of(0x6e6f6973);
  return Float32Array.from({ length: side * side }, () => rng.next() * 2 - 1);
})();

/** Smooth value noise in [−1, 1] with features of size 1; repeats every 256. */
export function noise(x: number, y: number): number {
  const xf = Math.floor(x);
  const yf = Math.floor(y);
  let u = x - xf;
  let v = y - yf;
  u = u * u * (3 - 2 * u);
  v = v * v * (3 - 2 * v);
  const xi = xf & 255;
  const xj = (xf + 1) & 255;
  const yi = (yf & 255) << 8;
  const yj = ((yf + 1) & 255) << 8;
  const a = lattice[yi | xi];
  const b = lattice[yi | xj];
  const c = lattice[yj | xi];
  const d = lattice[yj | xj];
  return a + (b - a) * u + (c - a + (a - b - c + d) * u) * v;
}

/** Sum of `octaves` of {@link noise}, each twice as fine and half as strong; about [−1, 1]. */
export function fractal(x: number, y: number, octaves: number): number {
  let sum = 0;
  let weight = 0.5;
  for (let i = 0; i < octaves; i++) {
    sum += weight * noise(x, y);
    x = x * 2.03 + 17.1;
    y = y * 2.03 + 9.7;
    weight *= 0.5;
  }
  return sum * 1.3;
}
