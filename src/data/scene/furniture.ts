import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import { id } from './labels.js';
import { lit, type Painter } from './painter.js';
import { palette } from './palette.js';

const steel: Rgb = [112, 114, 116];

/** A street lamp: mast, arm over the road (towards −sign), lamp head. */
export function paintLamp(painter: Painter, x: number, z: number, sign: number, height: number): void {
  const tag = painter.stuff(id.pole);
  const top = x - sign * 1.6;
  mast(painter, x, z, height, 0.085);
  painter.capsule([x, height, z], [top, height + 0.35, z], 0.06, 0.05, { colour: lit(steel, 0.85) }, tag);
  painter.capsule(
    [top, height + 0.35, z],
    [top - sign * 0.6, height + 0.3, z],
    0.1,
    0.07,
    { colour: [150, 152, 150] },
    tag,
  );
}

/** An upright mast, lighter on the sun's side. */
function mast(painter: Painter, x: number, z: number, height: number, radius: number, y0 = 0): void {
  const tag = painter.stuff(id.pole);
  painter.capsule(
    [x, y0 + radius, z],
    [x, height, z],
    radius,
    radius * 0.8,
    { colour: lit(steel, 0.72) },
    tag,
  );
  const shine = x + painter.light.side * radius * 0.4;
  painter.capsule(
    [shine, y0 + radius, z],
    [shine, height, z],
    radius * 0.35,
    radius * 0.3,
    { colour: lit(steel, 1.25) },
    tag,
  );
}

/** A bollard, red and white. */
export function paintBollard(painter: Painter, x: number, z: number): void {
  const tag = painter.stuff(id.pole);
  for (let i = 0; i < 5; i++) {
    const colour: Rgb = i % 2 === 0 ? [168, 52, 44] : [214, 210, 204];
    painter.plate(x - 0.07, x + 0.07, i * 0.2, (i + 1) * 0.2, z, { colour }, tag);
  }
}

/** A sign on a mast: prohibition, order, warning, priority, parking, or a name plate. */
export function paintSign(painter: Painter, x: number, z: number, seed: number): void {
  const rng = Rng.of(seed, 31);
  const y = rng.range(2.2, 2.7);
  const r = rng.range(0.3, 0.38);
  mast(painter, x, z, y + r, 0.04);
  plateOf(painter, x, y, z - 0.02, r, rng.int(6), rng);
  if (rng.chance(0.35)) plateOf(painter, x, y - 2 * r - 0.06, z - 0.02, r * 0.85, rng.pick([1, 4, 5]), rng);
}

function plateOf(painter: Painter, x: number, y: number, z: number, r: number, kind: number, rng: Rng): void {
  const tag = painter.stuff(id.sign);
  const white: Rgb = [226, 226, 222];
  const red: Rgb = [184, 34, 38];
  const blue: Rgb = [34, 74, 158];
  const triangle = (k: number, colour: Rgb) =>
    painter.polygon(
      [
        [x, y + r * k * 1.1, z],
        [x - r * k, y - r * k * 0.72, z],
        [x + r * k, y - r * k * 0.72, z],
      ],
      { colour },
      tag,
    );
  const diamond = (k: number, colour: Rgb) =>
    painter.polygon(
      [
        [x, y + r * k, z],
        [x + r * k, y, z],
        [x, y - r * k, z],
        [x - r * k, y, z],
      ],
      { colour },
      tag,
    );
  const arrow = (colour: Rgb) => {
    painter.plate(x - r * 0.5, x + r * 0.2, y - r * 0.12, y + r * 0.12, z, { colour }, tag);
    painter.polygon(
      [
        [x + r * 0.15, y + r * 0.4, z],
        [x + r * 0.6, y, z],
        [x + r * 0.15, y - r * 0.4, z],
      ],
      { colour },
      tag,
    );
  };
  if (kind === 0) {
    painter.disc([x, y, z], r, { colour: red }, tag);
    painter.disc([x, y, z], r * 0.76, { colour: white }, tag);
    painter.plate(x - r * 0.38, x - r * 0.06, y - r * 0.3, y + r * 0.3, z, { colour: [30, 30, 32] }, tag);
    painter.plate(x + r * 0.06, x + r * 0.38, y - r * 0.3, y + r * 0.3, z, { colour: [30, 30, 32] }, tag);
  } else if (kind === 1) {
    painter.disc([x, y, z], r, { colour: white }, tag);
    painter.disc([x, y, z], r * 0.93, { colour: blue }, tag);
    arrow(white);
  } else if (kind === 2) {
    triangle(1.15, red);
    triangle(0.78, white);
    painter.plate(x - r * 0.06, x + r * 0.06, y - r * 0.3, y + r * 0.35, z, { colour: [30, 30, 32] }, tag);
  } else if (kind === 3) {
    diamond(1.2, white);
    diamond(1.02, [222, 176, 40]);
  } else if (kind === 4) {
    painter.plate(x - r * 0.8, x + r * 0.8, y - r * 0.8, y + r * 0.8, z, { colour: white }, tag);
    painter.plate(x - r * 0.74, x + r * 0.74, y - r * 0.74, y + r * 0.74, z, { colour: blue }, tag);
    painter.plate(x - r * 0.3, x - r * 0.12, y - r * 0.5, y + r * 0.5, z, { colour: white }, tag);
    painter.disc([x + r * 0.05, y + r * 0.22, z], r * 0.28, { colour: white }, tag);
    painter.disc([x + r * 0.05, y + r * 0.22, z], r * 0.12, { colour: blue }, tag);
  } else {
    const wide = r * rng.range(1.4, 2.2);
    painter.plate(x - wide, x + wide, y - r * 0.45, y + r * 0.45, z, { colour: white }, tag);
    painter.plate(
      x - wide * 0.96,
      x + wide * 0.96,
      y - r * 0.38,
      y + r * 0.38,
      z,
      { colour: [212, 184, 52] },
      tag,
    );
    for (let i = 0; i < 5; i++) {
      const left = x + wide * (-0.75 + 0.32 * i);
      painter.plate(left, left + wide * 0.2, y - r * 0.14, y + r * 0.14, z, { colour: [36, 36, 38] }, tag);
    }
  }
}

/** A traffic light on its mast; a tall one also hangs a head over the road. */
export function paintTrafficLight(
  painter: Painter,
  x: number,
  z: number,
  sign: number,
  state: number,
  tall: boolean,
): void {
  mast(painter, x, z, tall ? 5.6 : 3.1, 0.07);
  head(painter, x - sign * 0.05, 2.75, z - 0.05, state);
  if (!tall) return;
  const end = x - sign * 3.6;
  painter.capsule(
    [x, 5.5, z],
    [end, 5.7, z],
    0.06,
    0.05,
    { colour: lit(steel, 0.8) },
    painter.stuff(id.pole),
  );
  head(painter, end, 5.35, z - 0.05, state);
}

function head(painter: Painter, x: number, y: number, z: number, state: number): void {
  const tag = painter.stuff(id.light);
  painter.plate(x - 0.24, x + 0.24, y - 0.58, y + 0.58, z, { colour: [198, 198, 194] }, tag);
  painter.plate(x - 0.21, x + 0.21, y - 0.55, y + 0.55, z, { colour: [26, 28, 28] }, tag);
  const lamps: [Rgb, Rgb][] = [
    [
      [70, 22, 20],
      [250, 60, 48],
    ],
    [
      [74, 56, 18],
      [252, 190, 60],
    ],
    [
      [18, 58, 40],
      [60, 240, 160],
    ],
  ];
  lamps.forEach(([off, on], i) => {
    const cy = y + 0.35 * (1 - i);
    if (i === state) painter.disc([x, cy, z], 0.19, { colour: on, opacity: 0.25 }, tag);
    painter.disc([x, cy, z], 0.125, { colour: i === state ? on : off }, tag);
  });
}

/** Things annotators call static: a litter bin or a distribution box. */
export function paintBox(painter: Painter, x: number, z: number, seed: number): void {
  const rng = Rng.of(seed, 32);
  const colour = rng.pick(palette('787a74 c49628 3c5446'));
  const h = rng.range(0.8, 1.3);
  painter.shadow(x, z + 0.2, 0.45, 0.3, 0.6);
  painter.plate(x - 0.35, x + 0.35, 0.03, h, z, { colour: lit(colour, 0.85) }, painter.stuff(id.static));
  painter.plate(x - 0.35, x + 0.35, h - 0.1, h, z, { colour }, painter.stuff(id.static));
}
