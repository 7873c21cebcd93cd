import type { Rgb } from '../classes.js';
import { Rng } from '../rng.js';
import type { Paint, Tag } from './canvas.js';
import { id } from './labels.js';
import { lit, mix, type Painter, type Vec3 } from './painter.js';
import { frame } from './people.js';

type Place = ReturnType<typeof frame>;
type Profile = readonly (readonly [along: number, y: number, part: Part])[];
/** What the strip of body from one profile point to the next is. */
type Part = 'rear' | 'front' | 'glass' | 'roof' | 'bonnet' | 'floor';

const glass: Rgb = [44, 52, 60];
const tyre: Rgb = [26, 26, 28];
const colours: readonly Rgb[] = [
  [36, 38, 42],
  [150, 152, 156],
  [206, 206, 204],
  [86, 90, 96],
  [132, 30, 32],
  [34, 54, 104],
  [62, 84, 78],
  [188, 160, 60],
  [98, 74, 60],
];

const profiles: Record<'hatch' | 'sedan' | 'suv' | 'van', Profile> = {
  hatch: [
    [-2.0, 0.28, 'rear'],
    [-2.05, 0.62, 'rear'],
    [-1.92, 0.98, 'glass'],
    [-1.5, 1.42, 'roof'],
    [0.25, 1.46, 'glass'],
    [1.05, 0.98, 'bonnet'],
    [1.95, 0.76, 'front'],
    [2.05, 0.5, 'front'],
    [2.0, 0.28, 'floor'],
  ],
  sedan: [
    [-2.3, 0.28, 'rear'],
    [-2.35, 0.62, 'rear'],
    [-2.28, 0.98, 'bonnet'],
    [-1.6, 1.02, 'glass'],
    [-0.95, 1.4, 'roof'],
    [0.25, 1.43, 'glass'],
    [1.1, 0.98, 'bonnet'],
    [2.2, 0.76, 'front'],
    [2.3, 0.5, 'front'],
    [2.25, 0.28, 'floor'],
  ],
  suv: [
    [-2.2, 0.36, 'rear'],
    [-2.25, 0.75, 'rear'],
    [-2.15, 1.12, 'glass'],
    [-1.85, 1.66, 'roof'],
    [0.3, 1.7, 'glass'],
    [1.0, 1.15, 'bonnet'],
    [2.1, 0.98, 'front'],
    [2.2, 0.6, 'front'],
    [2.15, 0.36, 'floor'],
  ],
  van: [
    [-2.4, 0.34, 'rear'],
    [-2.42, 1.05, 'glass'],
    [-2.3, 1.85, 'roof'],
    [1.0, 1.92, 'glass'],
    [1.85, 1.15, 'bonnet'],
    [2.4, 0.95, 'front'],
    [2.45, 0.34, 'floor'],
  ],
};

/** A passenger car whose middle is at (x, z), heading along `angle`. */
export function paintCar(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 51);
  const tag = painter.thing(id.car);
  const type = rng.pick(['hatch', 'hatch', 'sedan', 'suv', 'van'] as const);
  const profile = profiles[type];
  const at = frame(x, z, angle);
  const half = type === 'suv' || type === 'van' ? 0.93 : 0.88;
  const beltline = type === 'van' ? 1.1 : type === 'suv' ? 1.14 : 0.98;
  // The cabin leans inwards above the belt line.
  const widthAt = (y: number) => half * (y <= beltline ? 1 : 1 - 0.28 * (y - beltline));
  const colour = rng.pick(colours);
  footprint(painter, at, profile[0][0], -profile[0][0], half);
  const bodyPaint = (factor: number): Paint => ({ colour: lit(colour, factor) });
  const bright = sideLight(painter, at);
  const faces = profile.map(([a, y, part], i) => {
    const [a2, y2] = profile[(i + 1) % profile.length];
    const [w, w2] = [widthAt(y), widthAt(y2)];
    return { part, points: [at(a, y, w), at(a2, y2, w2), at(a2, y2, -w2), at(a, y, -w)] };
  });
  faces.sort((p, q) => depth(q.points) - depth(p.points));
  for (const { part, points } of faces) {
    if (part === 'floor' || !faces3(painter, points)) continue;
    const tone = { rear: 0.8, front: 0.86, glass: 1, roof: 1.16, bonnet: 1.1, floor: 0 }[part];
    if (part === 'glass') {
      painter.polygon(points, bodyPaint(0.92), tag);
      painter.polygon(inset(points, 0.1), { colour: mix(glass, painter.light.haze, 0.16) }, tag);
    } else painter.polygon(points, bodyPaint(tone), tag);
  }
  const end = profile[0][0];
  for (const side of [1, -1]) {
    const cap = profile.map(([a, y]) => at(a, y, side * widthAt(y)));
    if (!faces3(painter, side > 0 ? [...cap].reverse() : cap)) continue;
    painter.polygon(cap, bodyPaint(bright[side > 0 ? 0 : 1]), tag);
    carSide(painter, at, profile, side, beltline, widthAt, tag, colour, bright[side > 0 ? 0 : 1]);
    for (const a of [end * 0.64, -end * 0.66]) wheelOn(painter, at, a, side * (half + 0.01), 0.33, tag);
  }
  ends(painter, at, profile, half, tag);
}

/** Side windows with a pillar, a dark sill and a crease of light. */
function carSide(
  painter: Painter,
  at: Place,
  profile: Profile,
  side: number,
  belt: number,
  widthAt: (y: number) => number,
  tag: Tag,
  colour: Rgb,
  bright: number,
): void {
  const roof = profile.findIndex(([, , part]) => part === 'roof');
  const [r0, top] = profile[roof];
  const [r1] = profile[roof + 1];
  const [base] = profile[roof + 2];
  const y0 = belt + 0.04;
  const y1 = top - 0.09;
  const place = (a: number, y: number) => at(a, y, side * (widthAt(y) + 0.012));
  const rear = profile[roof - 1][0];
  const rearLow = rear + (r0 - rear) * 0.25 + 0.22;
  const front = base - 0.28;
  const paint: Paint = { colour: mix(glass, painter.light.haze, 0.1) };
  const middle = (r0 + r1) / 2 + 0.15;
  painter.polygon(
    [place(rearLow, y0), place(r0 + 0.2, y1), place(middle - 0.06, y1), place(middle - 0.06, y0)],
    paint,
    tag,
  );
  painter.polygon(
    [place(middle + 0.06, y0), place(middle + 0.06, y1), place(r1 - 0.08, y1), place(front, y0)],
    paint,
    tag,
  );
  const [e] = profile[0];
  painter.polygon(
    [place(e + 0.1, 0.28), place(e + 0.1, 0.4), place(-e - 0.1, 0.4), place(-e - 0.1, 0.28)],
    { colour: [34, 34, 36] },
    tag,
  );
  const crease = belt - 0.14;
  painter.polygon(
    [
      place(e + 0.15, crease),
      place(e + 0.15, crease + 0.035),
      place(-e - 0.5, crease + 0.02),
      place(-e - 0.5, crease - 0.015),
    ],
    { colour: lit(colour, bright * 1.22) },
    tag,
  );
  painter.polygon(
    [
      place(middle - 0.012, 0.42),
      place(middle - 0.012, y0),
      place(middle + 0.012, y0),
      place(middle + 0.012, 0.42),
    ],
    { colour: lit(colour, bright * 0.7) },
    tag,
  );
}

/** Lamps, bumper and number plate of the end that is seen. */
function ends(painter: Painter, at: Place, profile: Profile, half: number, tag: Tag): void {
  const front = Math.max(...profile.map(([a]) => a));
  const rear = Math.min(...profile.map(([a]) => a));
  const [b] = [profile.find(([, , part]) => part === 'glass')?.[1] ?? 1];
  const patch = (a: number, c0: number, c1: number, y0: number, y1: number, colour: Rgb) =>
    quad(painter, at, a, c0, c1, y0, y1, colour, tag);
  const r = rear - 0.01;
  const f = front + 0.01;
  patch(r, half, -half, 0.3, 0.46, [40, 40, 42]);
  patch(f, half, -half, 0.3, 0.46, [40, 40, 42]);
  for (const side of [1, -1]) {
    patch(r, side * half * 0.98, side * half * 0.68, b - 0.34, b - 0.06, [176, 30, 30]);
    patch(r, side * half * 0.9, side * half * 0.74, b - 0.16, b - 0.08, [236, 120, 100]);
    patch(f, side * half * 0.96, side * half * 0.6, 0.6, 0.76, [222, 226, 228]);
  }
  patch(r, 0.27, -0.27, 0.52, 0.63, [226, 226, 218]);
  patch(f, 0.27, -0.27, 0.42, 0.53, [226, 226, 218]);
  patch(f, half * 0.5, -half * 0.5, 0.56, 0.7, [30, 30, 32]);
}

/** Boxes on wheels: a truck's cab and load, a bus, a tram car. */
export function paintTruck(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 52);
  const tag = painter.thing(id.truck);
  const at = frame(x, z, angle);
  const cab = rng.pick(colours);
  const load = rng.pick<Rgb>([
    [206, 206, 202],
    [178, 186, 196],
    [56, 90, 148],
    [190, 140, 58],
    [110, 130, 110],
  ]);
  const long = rng.range(5, 7);
  footprint(painter, at, -long / 2 - 1, long / 2 + 1, 1.2);
  const pieces = [
    () => {
      box(painter, at, -long / 2 - 1, long / 2 - 1.1, 1.22, 0.95, rng.range(3.1, 3.6), load, tag);
      const r = -long / 2 - 1.01;
      quad(painter, at, r, 0.02, -0.02, 1, 3, lit(load, 0.55), tag);
      for (const s of [1, -1]) quad(painter, at, r, s * 1.15, s * 0.85, 0.7, 0.9, [180, 34, 30], tag);
      quad(painter, at, r, 1.15, -1.15, 0.62, 0.68, [50, 50, 52], tag);
    },
    () => {
      box(painter, at, long / 2 - 1, long / 2 + 1, 1.15, 0.5, 2.75, cab, tag);
      quad(painter, at, long / 2 + 1.02, 1, -1, 1.6, 2.5, glass, tag);
      for (const s of [1, -1]) {
        quad(painter, at, long / 2 + 1.02, s * 1.05, s * 0.7, 0.7, 0.92, [228, 230, 230], tag);
        windowRow(painter, at, s, 1.16, [[long / 2 - 0.4, long / 2 + 0.8]], 1.6, 2.4, tag);
      }
    },
  ];
  wheels(painter, at, [-long / 2, -long / 2 + 1.1, long / 2 + 0.1], 1.2, 0.48, tag, () => {
    // What is farther from the camera first.
    const cabFarther = at(long / 2, 0)[2] > at(-long / 2, 0)[2];
    for (const piece of cabFarther ? [...pieces].reverse() : pieces) piece();
  });
}

/** A city bus. */
export function paintBus(painter: Painter, x: number, z: number, angle: number, seed: number): void {
  const rng = Rng.of(seed, 53);
  const tag = painter.thing(id.bus);
  const at = frame(x, z, angle);
  const colour = rng.pick<Rgb>([
    [196, 164, 44],
    [170, 40, 38],
    [200, 200, 196],
    [52, 104, 148],
    [70, 120, 70],
  ]);
  const h = 5.6;
  footprint(painter, at, -h, h, 1.28);
  wheels(painter, at, [-h + 2.6, h - 2.4], 1.28, 0.48, tag, () => {
    box(painter, at, -h, h, 1.27, 0.35, 3.05, colour, tag);
    const windows: [number, number][] = Array.from({ length: 7 }, (_, i) => [
      -h + 0.4 + 1.5 * i,
      -h + 1.75 + 1.5 * i,
    ]);
    for (const s of [1, -1]) {
      windowRow(painter, at, s, 1.285, windows, 1.35, 2.45, tag);
      band(painter, at, s, 1.285, -h, h, 0.35, 0.62, [48, 48, 52], tag);
    }
    busEnd(painter, at, h, colour, tag);
  });
}

function busEnd(painter: Painter, at: Place, h: number, colour: Rgb, tag: Tag): void {
  quad(painter, at, -h - 0.01, 1.1, -1.1, 1.7, 2.6, glass, tag);
  quad(painter, at, -h - 0.01, 1.15, -1.15, 0.5, 0.75, [46, 46, 50], tag);
  quad(painter, at, h + 0.01, 1.18, -1.18, 1.2, 2.6, mix(glass, painter.light.haze, 0.15), tag);
  quad(painter, at, h + 0.01, 0.9, -0.9, 2.65, 2.95, [30, 30, 30], tag);
  quad(painter, at, h + 0.01, 0.6, -0.6, 2.72, 2.88, [240, 170, 50], tag);
  for (const s of [1, -1]) {
    quad(painter, at, -h - 0.01, s * 1.2, s * 0.95, 0.9, 1.3, [180, 34, 30], tag);
    quad(painter, at, h + 0.01, s * 1.15, s * 0.8, 0.75, 0.95, [232, 232, 228], tag);
  }
  quad(painter, at, -h - 0.01, 0.3, -0.3, 0.95, 1.08, lit(colour, 1.2), tag);
}

/** A tram of `cars` cars whose nearer end is at z. */
export function paintTrain(painter: Painter, x: number, z: number, seed: number, cars = 3): void {
  const rng = Rng.of(seed, 54);
  const tag = painter.thing(id.train);
  const colour = rng.pick<Rgb>([
    [176, 40, 40],
    [208, 204, 196],
    [58, 110, 90],
    [206, 170, 52],
  ]);
  const stripe = rng.pick<Rgb>([
    [230, 226, 216],
    [50, 54, 60],
  ]);
  const length = 9;
  for (let car = cars - 1; car >= 0; car--) {
    const h = length / 2;
    const at = frame(x, z + car * (length + 0.5) + h, -Math.PI / 2);
    footprint(painter, at, -h, h, 1.2);
    wheels(painter, at, [], 1.2, 0.3, tag, () => {
      box(painter, at, -h, h, 1.22, 0.25, 3.3, colour, tag);
      const windows: [number, number][] = Array.from({ length: 5 }, (_, i) => [
        -h + 0.4 + 1.7 * i,
        -h + 1.75 + 1.7 * i,
      ]);
      for (const s of [1, -1]) {
        band(painter, at, s, 1.235, -h, h, 0.95, 1.15, stripe, tag);
        windowRow(painter, at, s, 1.235, windows, 1.35, 2.6, tag);
        band(painter, at, s, 1.235, -h, h, 0.25, 0.45, [44, 44, 48], tag);
      }
      if (car === 0) {
        quad(painter, at, h + 0.02, 1.08, -1.08, 1.3, 2.6, mix(glass, painter.light.haze, 0.12), tag);
        quad(painter, at, h + 0.02, 0.8, -0.8, 2.75, 3.1, [28, 28, 28], tag);
        quad(painter, at, h + 0.02, 0.45, -0.45, 2.82, 3.02, [244, 178, 60], tag);
        for (const s of [1, -1])
          quad(painter, at, h + 0.02, s * 1.0, s * 0.66, 0.75, 0.97, [244, 242, 230], tag);
        quad(painter, at, h + 0.02, 1.2, -1.2, 0.25, 0.5, [50, 50, 54], tag);
      }
    });
  }
}

/** Five visible sides of a box from `a0` to `a1`, 2·half wide, y0 to y1; the hidden ones are culled. */
function box(
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
function quad(
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

function band(
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

function windowRow(
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
function wheels(
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

function wheelOn(painter: Painter, at: Place, along: number, across: number, r: number, tag: Tag): void {
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
function footprint(painter: Painter, at: Place, a0: number, a1: number, half: number): void {
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
function sideLight(painter: Painter, at: Place): [left: number, right: number] {
  const outwards = at(0, 0, 1)[0] - at(0, 0, 0)[0];
  const { sun, side } = painter.light;
  const tone = (x: number) => 0.86 + 0.2 * sun * side * x;
  return [tone(outwards), tone(-outwards)];
}

/** True where the outside of a face (its corners clockwise as seen from outside) looks at the camera. */
function faces3(painter: Painter, points: readonly Vec3[]): boolean {
  let sum = 0;
  const px = points.map((p) => (p[2] < 0.7 ? painter.x([p[0], p[1], 0.7]) : painter.x(p)));
  const py = points.map((p) => (p[2] < 0.7 ? painter.y([p[0], p[1], 0.7]) : painter.y(p)));
  for (let i = 0, j = points.length - 1; i < points.length; j = i++) sum += px[j] * py[i] - px[i] * py[j];
  return sum > 0;
}

function depth(points: readonly Vec3[]): number {
  return points.reduce((sum, p) => sum + p[2], 0) / points.length;
}

/** The polygon shrunk towards its middle. */
function inset(points: readonly Vec3[], t: number): Vec3[] {
  const middle = [0, 1, 2].map((k) => points.reduce((sum, p) => sum + p[k], 0) / points.length);
  return points.map(
    (p): Vec3 => [
      p[0] + (middle[0] - p[0]) * t,
      p[1] + (middle[1] - p[1]) * t,
      p[2] + (middle[2] - p[2]) * t,
    ],
  );
}
