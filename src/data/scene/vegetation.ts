import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import { id } from './labels.js';
import { fractal } from './noise.js';
import { lit, mix, type Painter } from './painter.js';
import { palette } from './palette.js';

const greens = palette('4a642c 586e34 3e5c30 687436 50603e');

/** A tree: trunk, branches, and a crown of leaf clusters, dark below and towards the shade, light on top. */
export function paintTree(painter: Painter, x: number, z: number, height: number, seed: number): void {
  const rng = Rng.of(seed, 21);
  const tag = painter.stuff(id.vegetation);
  const colour = rng.pick(greens);
  const crown = height * rng.range(0.3, 0.38);
  const middle = height - crown * rng.range(0.95, 1.1);
  const wide = crown * rng.range(0.75, 1.05);
  const bark: Rgb = [70, 60, 52];
  const trunk = 0.035 * height * rng.range(0.5, 0.8);
  painter.shadow(x - painter.light.side * height * 0.25, z, wide, wide * 0.7, 0.45 * painter.light.sun);
  painter.capsule(
    [x, 0, z],
    [x + rng.range(-0.2, 0.2), middle, z],
    trunk,
    trunk * 0.7,
    { colour: bark },
    tag,
  );
  for (let i = 0; i < 3; i++) {
    const lean = rng.range(-0.6, 0.6) * wide;
    painter.capsule(
      [x, middle - crown * 0.6, z],
      [x + lean, middle + crown * 0.3, z],
      trunk * 0.6,
      trunk * 0.3,
      { colour: bark },
      tag,
    );
  }
  paintLeaves(painter, x, middle, z, wide, crown, colour, 90, rng);
}

/** A bush or a piece of hedge on the ground. */
export function paintBush(
  painter: Painter,
  x: number,
  z: number,
  width: number,
  height: number,
  seed: number,
): void {
  const rng = Rng.of(seed, 22);
  painter.shadow(x, z, width * 0.6, width * 0.4, 0.5);
  paintLeaves(painter, x, height * 0.45, z, width * 0.5, height * 0.52, lit(rng.pick(greens), 0.9), 45, rng);
}

function paintLeaves(
  painter: Painter,
  x: number,
  y: number,
  z: number,
  halfX: number,
  halfY: number,
  colour: Rgb,
  clusters: number,
  rng: Rng,
): void {
  const { sun, side } = painter.light;
  const k = z / painter.camera.focal;
  const shift = rng.range(0, 200);
  const size = Math.max(halfX, halfY);
  // Leaves: noise in metres, so the texture scales with distance.
  const shade = (px: number, py: number) =>
    1 +
    0.55 * fractal((px * k * 3.2) / size + shift, (py * k * 3.2) / size, 2) +
    0.3 * fractal(px * k * 3.5, py * k * 3.5 + shift, 2);
  const tag = painter.stuff(id.vegetation);
  for (let i = 0; i < clusters; i++) {
    // From the shaded middle outwards and upwards, so light clusters come last.
    const t = i / clusters;
    const angle = rng.range(0, 2 * Math.PI);
    const radius = Math.sqrt(rng.next()) * (0.98 - 0.2 * t);
    const cx = Math.cos(angle) * radius;
    const cy = Math.sin(angle) * radius * 0.9 + 0.12 * t;
    const light = 0.62 + 0.24 * cy + 0.16 * sun * cx * side + 0.32 * t;
    const warm = mix(colour, [150, 150, 70], 0.25 * Math.max(0, cy) * sun);
    leafCluster(
      painter,
      x + cx * halfX,
      y + cy * halfY,
      z,
      size * rng.range(0.2, 0.34) * (1 - 0.4 * t),
      rng,
      {
        colour: lit(warm, light),
        shade,
      },
      tag,
    );
  }
}

function leafCluster(
  painter: Painter,
  x: number,
  y: number,
  z: number,
  r: number,
  rng: Rng,
  paint: Parameters<Painter['polygon']>[1],
  tag: Parameters<Painter['polygon']>[2],
): void {
  const points: [number, number, number][] = [];
  for (let i = 0; i < 14; i++) {
    const t = (2 * Math.PI * i) / 14;
    const reach = r * rng.range(0.68, 1.18);
    points.push([x + reach * Math.cos(t), Math.max(0, y + reach * Math.sin(t)), z]);
  }
  painter.polygon(points, paint, tag);
}
