import type { Rgb } from '../classes.js';
import type { Tag } from './canvas.js';
import { lit, mix, type Painter, type Vec3 } from './painter.js';
import { palette } from './palette.js';
import type { frame } from './people.js';

export type Place = ReturnType<typeof frame>;

export const glass: Rgb = [44, 52, 60];
export const tyre: Rgb = [26, 26, 28];
export const colours = palette('24262a 96989c cececc 565a60 841e20 223668 3e544e bca03c 624a3c');

/** Five visible sides of a box from `a0` to `a1`, 2·half wide, y0 to y1; the hidden ones are culled. */
export function box(
  painter: Painter,
  at: Place,
  a0: number,
  a1: number,
  half: number,
  y0: number,
  y1: number,
  colour: Rgb,
  tag: Tag,
): void {
  const [left, right] = sideLight(painter, at);
  const faces: { points: Vec3[]; tone: number }[] = [
    { points: [at(a0, y0, half), at(a0, y1, half), at(a0, y1, -half), at(a0, y0, -half)], tone: 0.8 },
    { points: [at(a1, y0, -half), at(a1, y1, -half), at(a1, y1, half), at(a1, y0, half)], tone: 0.86 },
    { points: [at(a1, y0, half), at(a1, y1, half), at(a0, y1, half), at(a0, y0, half)], tone: left },
    { points: [at(a0, y0, -half), at(a0, y1, -half), at(a1, y1, -half), at(a1, y0, -half)], tone: right },
    { points: [at(a0, y1, half), at(a1, y1, half), at(a1, y1, -half), at(a0, y1, -half)], tone: 1.1 },
  ];
  for (const { points, tone } of faces) {
    if (faces3(painter, points)) painter.polygon(points, { colour: lit(colour, tone) }, tag);
  }
}

/** A rectangle on the end of a body at `a`; seen only from outside. */
export function quad(
  painter: Painter,
  at: Place,
  a: number,
  c0: number,
  c1: number,
  y0: number,
  y1: number,
  colour: Rgb,
  tag: Tag,
): void {
  const [hi, lo] = c0 > c1 ? [c0, c1] : [c1, c0];
  const points = [at(a, y0, hi), at(a, y1, hi), at(a, y1, lo), at(a, y0, lo)];
  if (faces3(painter, a < 0 ? points : [...points].reverse())) painter.polygon(points, { colour }, tag);
}

export function band(
  painter: Painter,
  at: Place,
  side: number,
  half: number,
  a0: number,
  a1: number,
  y0: number,
  y1: number,
  colour: Rgb,
  tag: Tag,
): void {
  const c = side * half;
  const points = [at(a1, y0, c), at(a1, y1, c), at(a0, y1, c), at(a0, y0, c)];
  const tone = sideLight(painter, at)[side > 0 ? 0 : 1];
  if (faces3(painter, side > 0 ? points : [...points].reverse()))
    painter.polygon(points, { colour: lit(colour, tone) }, tag);
}

export function windowRow(
  painter: Painter,
  at: Place,
  side: number,
  half: number,
  spans: [number, number][],
  y0: number,
  y1: number,
  tag: Tag,
): void {
  for (const [a0, a1] of spans)
    band(painter, at, side, half, a0, a1, y0, y1, mix(glass, painter.light.haze, 0.12), tag);
}

/** Wheels on the far side, then the body, then wheels on the near side. */
export function wheels(
  painter: Painter,
  at: Place,
  places: number[],
  half: number,
  r: number,
  tag: Tag,
  body: () => void,
): void {
  body();
  for (const side of [1, -1]) {
    const probe = [
      at(1, 0, side * half),
      at(1, 1, side * half),
      at(0, 1, side * half),
      at(0, 0, side * half),
    ];
    if (!faces3(painter, side > 0 ? probe : [...probe].reverse())) continue;
    for (const a of places) wheelOn(painter, at, a, side * (half + 0.01), r, tag);
  }
}

export function wheelOn(
  painter: Painter,
  at: Place,
  along: number,
  across: number,
  r: number,
  tag: Tag,
): void {
  const ring = (k: number) =>
    Array.from({ length: 20 }, (_, i) => {
      const t = (2 * Math.PI * i) / 20;
      return at(along + k * r * Math.cos(t), r + k * r * Math.sin(t), across);
    });
  painter.polygon(ring(1.15), { colour: [20, 20, 22] }, tag);
  painter.polygon(ring(1), { colour: tyre }, tag);
  painter.polygon(ring(0.62), { colour: [138, 140, 144] }, tag);
  painter.polygon(ring(0.2), { colour: [60, 62, 66] }, tag);
}

/** The dark patch below a vehicle. */
export function footprint(painter: Painter, at: Place, a0: number, a1: number, half: number): void {
  const away = -painter.light.side * 0.5 * painter.light.sun;
  for (const [grow, opacity] of [
    [0.3, 0.25],
    [0.14, 0.35],
    [0, 0.55],
  ]) {
    const corners = [
      at(a0 - grow, 0, half + grow),
      at(a1 + grow, 0, half + grow),
      at(a1 + grow, 0, -half - grow),
      at(a0 - grow, 0, -half - grow),
    ];
    const moved = corners.map(([x, y, z]): Vec3 => [x + away * (grow + 0.3), y, z]);
    painter.polygon(moved, { colour: [16, 16, 18], opacity }, { label: -1, instance: 0 });
  }
}

/** Light on the left and right flank of a body: a flank that looks at the sun is brighter. */
export function sideLight(painter: Painter, at: Place): [left: number, right: number] {
  const outwards = at(0, 0, 1)[0] - at(0, 0, 0)[0];
  const { sun, side } = painter.light;
  const tone = (x: number) => 0.86 + 0.2 * sun * side * x;
  return [tone(outwards), tone(-outwards)];
}

/** True where the outside of a face (its corners clockwise as seen from outside) looks at the camera. */
export function faces3(painter: Painter, points: readonly Vec3[]): boolean {
  let sum = 0;
  const px = points.map((p) => (p[2] < 0.7 ? painter.x([p[0], p[1], 0.7]) : painter.x(p)));
  const py = points.map((p) => (p[2] < 0.7 ? painter.y([p[0], p[1], 0.7]) : painter.y(p)));
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) sum += px[j] * py[i] - px[i] * py[j];
  return sum > 0;
}
